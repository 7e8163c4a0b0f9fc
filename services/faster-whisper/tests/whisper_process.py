"""How the tests start the service with its real model."""

import sys
from pathlib import Path

from stt_core.contract.service import required

MODEL = "Systran/faster-whisper-base"
COMMAND = [sys.executable, "-m", "stt_faster_whisper"]


def models() -> Path:
    """The folder of models, which holds MODEL."""
    folder = required("STT_TEST_MODELS")
    assert (folder / MODEL.replace("/", "--")).is_dir(), f"{folder} lacks {MODEL}: `make test` fetches it."
    return folder
