"""How the tests start the service with its real models, and the conversation that they send to it."""

import sys
from importlib.util import find_spec
from pathlib import Path

from stt_core.contract.service import required

MODEL = "Systran/faster-whisper-base"
OPEN = "greffier/open-diarization"
COMMAND = [sys.executable, "-m", "stt_whisperx"]


def models() -> Path:
    """The folder of models, which holds MODEL and OPEN."""
    folder = required("STT_TEST_MODELS")
    for name in (MODEL, OPEN):
        assert (folder / name.replace("/", "--")).is_dir(), f"{folder} lacks {name}: `make test` fetches it."
    return folder


def conversation() -> bytes:
    """Thirty seconds of two people on the telephone, as a wav file: it comes with pyannote.audio."""
    return _sample("sample.wav").read_bytes()


def turns() -> list[tuple[float, float, str]]:
    """Who speaks in it when, by its own reference: (start, end, speaker), in seconds."""
    rows = (line.split() for line in _sample("sample.rttm").read_text().splitlines())
    return [(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]


def said() -> list[tuple[str, str]]:
    """What each says in it, in order: (speaker, text)."""
    rows = (line.split(maxsplit=5) for line in _sample("sample.stm").read_text().splitlines())
    return [(row[2], row[5]) for row in rows]


def _sample(name: str) -> Path:
    found = find_spec("pyannote.audio")
    assert found and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "sample" / name
