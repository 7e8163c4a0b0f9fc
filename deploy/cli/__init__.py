"""The terminal: commands, what they ask, and how their results look."""
