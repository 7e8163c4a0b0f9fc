"""Whisper in PyTorch, behind OpenAI's API."""
