"""The services, and the way to them, on Debian 13's Python beside Debian 12's."""
