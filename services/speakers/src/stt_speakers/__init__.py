"""What needs the whole of a transcript: exact word times, and who spoke."""
