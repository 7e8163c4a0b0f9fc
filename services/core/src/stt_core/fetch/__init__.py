"""Files that a request names by their URL: from which addresses they may come, and how they are read."""
