"""Whisper in PyTorch, behind OpenAI's API."""

import os

# As in stt_ctranslate2, for PyTorch's OpenMP threads; read when PyTorch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
