"""What we tell staff and partners."""
