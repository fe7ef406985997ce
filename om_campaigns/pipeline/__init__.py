"""The use cases, one file per actor, and the tick that joins the rooms."""
