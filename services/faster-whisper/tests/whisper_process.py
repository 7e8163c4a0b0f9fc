"""How the tests start the service with its real model."""

import sys
from pathlib import Path

from stt_testing.models import BASE, fetched

MODEL = BASE
COMMAND = [sys.executable, "-m", "stt_faster_whisper"]


def models() -> Path:
    """The folder of models, which holds MODEL."""
    return fetched(MODEL)
