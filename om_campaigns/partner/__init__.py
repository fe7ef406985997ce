"""What a partner organisation does: sign in, take packs, put in own words, report."""
