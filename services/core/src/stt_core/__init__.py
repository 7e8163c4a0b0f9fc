"""What every speech service has in common: the OpenAI surface, audio, scheduling, and the Engine protocol."""

__version__ = "0.1.0"
