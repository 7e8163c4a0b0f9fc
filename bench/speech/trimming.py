"""What Whisper hears of short phrases when its context is trimmed to them, by the silence that is left after each.

`python -m bench.speech.trimming MODEL SOUNDS` prints JSON: {"phrases": count, "words": heard in 30 s, "full": seconds
of an encoding of 30 s, "trials": [{"padding", "seconds" of an encoding, "echoes": phrases said over and over, "differ":
words of the others that are not as in 30 s}]}. SOUNDS is what scripts/sounds fetches. It runs in the services'
environment.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median

import numpy as np
from numpy.typing import NDArray
from stt_core import cores
from stt_ctranslate2.whisper import Whisper
from stt_whisper.decoding import Decoding
from stt_whisper.model import Prompt
from stt_whisper.trimming import FULL, frames

from bench.speech.maker import SAMPLE_RATE, read
from bench.speech.words import edits, words

LANGUAGES = ("en", "es", "fr", "it", "ru")
PHRASES = 8
"""Of each language."""
SECONDS = (1.0, 6.0)
PADDINGS = (1.0, 2.0, 4.0, 8.0)

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """All phrases with one padding."""

    padding: float
    seconds: float
    echoes: int
    differ: int


def main() -> int:
    model, sounds = map(Path, sys.argv[1:])
    whisper = Whisper(model, "cpu", "int8", cores.available())
    phrases = [(language, phrase) for language in LANGUAGES for phrase in _phrases(sounds, language)]
    full, seconds = _heard(whisper, phrases, None)
    trials = [_trial(whisper, phrases, full, padding) for padding in PADDINGS]
    count = sum(len(words(one.text, language)) for (language, _), one in zip(phrases, full, strict=True))
    found = {"phrases": len(phrases), "words": count, "full": seconds, "trials": [asdict(trial) for trial in trials]}
    print(json.dumps(found))
    return 0


def _trial(whisper: Whisper, phrases: list[tuple[str, Samples]], full: list[Decoding], padding: float) -> Trial:
    heard, seconds = _heard(whisper, phrases, padding)
    differ = sum(
        edits(words(before.text, language), words(now.text, language))
        for (language, _), before, now in zip(phrases, full, heard, strict=True)
        if not now.echoes
    )
    return Trial(padding, seconds, sum(one.echoes for one in heard), differ)


def _heard(whisper: Whisper, phrases: list[tuple[str, Samples]], padding: float | None) -> tuple[list[Decoding], float]:
    """What is heard of each phrase alone, at the first temperature, and the median seconds of an encoding."""
    found: list[Decoding] = []
    taken: list[float] = []
    for language, samples in phrases:
        length = FULL if padding is None else frames(len(samples), padding)
        started = time.monotonic()
        encoded = whisper.encode([samples], length)
        taken.append(time.monotonic() - started)
        found += whisper.decode(encoded, [Prompt(language, "transcribe", ())], 0.0)
    return found, median(taken)


def _phrases(sounds: Path, language: str) -> Iterator[Samples]:
    """Prompts of a telephone exchange, always the same."""
    (voice,) = (sounds / f"asterisk-core-sounds-{language}-g722/usr/share/asterisk/sounds").iterdir()
    files = sorted(voice.glob("*.g722"))
    Random(language).shuffle(files)
    spoken = (read(file, "g722") for file in files)
    fitting = (one for one in spoken if SECONDS[0] <= len(one) / SAMPLE_RATE <= SECONDS[1])
    for samples in islice(fitting, PHRASES):
        yield samples.astype(np.float32) / np.float32(32768)


if __name__ == "__main__":
    sys.exit(main())
