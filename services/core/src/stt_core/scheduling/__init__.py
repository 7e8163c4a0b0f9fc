"""The way of a request from its sound to its transcript: windows, batches, workers, the last step."""
