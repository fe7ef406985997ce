"""What OM's staff do: bring in audiences, write, check, look at and publish campaigns, make good what went wrong."""
