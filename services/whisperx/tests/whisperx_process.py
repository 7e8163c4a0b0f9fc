"""How the tests start the service with its real models."""

import sys
from pathlib import Path

from stt_testing.models import BASE, OPEN, fetched

MODEL = BASE
COMMAND = [sys.executable, "-m", "stt_whisperx"]


def models() -> Path:
    """The folder of models, which holds MODEL and OPEN."""
    return fetched(MODEL, OPEN)
