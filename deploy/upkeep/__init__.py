"""A host over the year: status, doctor, prune, backup, destroy."""
