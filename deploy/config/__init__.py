"""inventory.yml and service.yml: read, checked, and resolved into a Stack."""
