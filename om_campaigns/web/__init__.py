"""The doors for people outside. Empty until there are pages to serve."""
