"""A conversation on the telephone, with who speaks in it when: it comes with pyannote.audio."""

from importlib.util import find_spec
from pathlib import Path


def conversation() -> bytes:
    """Thirty seconds of two people on the telephone, as a wav file."""
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
