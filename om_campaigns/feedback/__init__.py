"""What comes back: each sign is recorded once, then has its effect."""
