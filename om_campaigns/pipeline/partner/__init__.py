"""What a house does: enter its portal, take up packs, say them in its own words, report, set how it wants to be served."""
