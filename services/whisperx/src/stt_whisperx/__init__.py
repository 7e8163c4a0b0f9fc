"""WhisperX's pipeline as an engine: text, exact word times, and who spoke."""
