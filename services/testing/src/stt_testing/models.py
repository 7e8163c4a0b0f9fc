"""The real models that the tests run."""

from pathlib import Path

from stt_testing.service import required

BASE = "Systran/faster-whisper-base"
OPEN = "greffier/open-diarization"


def fetched(*names: str) -> Path:
    """The folder of models, which holds these."""
    folder = required("STT_TEST_MODELS")
    for name in names:
        assert (folder / name.replace("/", "--")).is_dir(), f"{folder} lacks {name}: `make test` fetches it."
    return folder
