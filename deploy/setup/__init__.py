"""A bare host becomes ready: packages, firewall, users and folders, units."""
