"""om_campaigns: bring ideas to advisers through their home organisations, unattended and for years."""

__version__ = "0.1.0"
