"""The use cases, a room for each actor, and the tick that joins the rooms of the house; read ``tick`` first."""
