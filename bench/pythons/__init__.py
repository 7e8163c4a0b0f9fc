"""The same services, and the same way to them, on two Pythons."""
