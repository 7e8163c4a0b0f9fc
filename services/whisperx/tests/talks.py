"""Two people on the telephone, 30 s, with who spoke when and what: pyannote.audio's own sample."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from stt_core.audio import SAMPLE_RATE, AudioFile
from stt_core.engine import Samples
from stt_whisperx.sound import Sound


def _file(name: str) -> Path:
    found = find_spec("pyannote.audio")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "sample" / name


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance, in seconds."""

    speaker: str
    start: float
    end: float
    text: str = ""


def samples() -> Samples:
    with _file("sample.wav").open("rb") as file:
        return np.concatenate(list(AudioFile(file).blocks()))


def sound(start: float = 0, end: float = 30) -> Sound:
    return Sound(samples()[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)])


def turns() -> list[Said]:
    """Who spoke when, to the hundredth of a second."""
    lines = [line.split() for line in _file("sample.rttm").read_text().splitlines()]
    return [Said(line[7], float(line[3]), float(line[3]) + float(line[4])) for line in lines]


def words() -> list[Said]:
    """Who said what."""
    lines = [line.split(maxsplit=5) for line in _file("sample.stm").read_text().splitlines()]
    return [Said(line[2], float(line[3]), float(line[4]), line[5]) for line in lines]
