"""WhisperX's pipeline as an engine: text, exact word times, and who spoke."""

import os

# As in stt_ctranslate2, for PyTorch's OpenMP threads: by default, telling speakers apart on two cores
# that others use too took ten times as long. Read when PyTorch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
