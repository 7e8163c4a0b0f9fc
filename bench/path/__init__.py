"""The way of a request: transcription against the raw library, the relay, the password check, waking."""
