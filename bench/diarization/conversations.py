"""Conversations that nobody had, with who spoke when and who said which words.

`python -m bench.diarization.conversations SPLIT FOLDER SOUNDS` writes FOLDER/*.wav (16 kHz mono), an RTTM file beside
each, and FOLDER/conversations.json, a list of what `Conversation` holds. SPLIT is `score`, or `tune`, which has other
voices, texts and draws: thresholds are chosen on tune and never on score. SOUNDS is what scripts/sounds fetched. The
same files come out every time. It runs in the peers' environment, which has the voices.

Two to four people take turns. They leave pauses, fall into each other's words (a quarter of the turns) and throw words
in beside the one who speaks; one is louder than the other. Every fourth conversation is dry, every fourth has noise
(10 to 25 dB below speech), every fourth noise and a room, and every fourth comes over a telephone.

The reference is where the dry voice itself sounds: louder than 40 dB below its own loud frames, with pauses of up to
0.3 s counted as speech, as NIST's Rich Transcription evaluations do.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

from bench.diarization.people import Cast, Person, Said, Samples, cast
from bench.speech.maker import SAMPLE_RATE, write

SECONDS = 45.0
"""A conversation ends with the first turn that ends after that."""
PARTS = {
    "score": (*["read"] * 10, *["human"] * 6, *["mixed"] * 8),
    "tune": (*["read"] * 4, *["human"] * 6, *["mixed"] * 6),
}
"""Of whom the conversations are: voices that read English, people, or both."""
CONDITIONS = ("dry", "noise", "room", "telephone")
FRAME = SAMPLE_RATE // 100
QUIET_DB = -40.0
"""Below the loud frames of the same utterance: what is quieter is no speech."""
JOINED_SECONDS = 0.3
LOUD_SHARE = 0.95
"""The share of an utterance's frames that are quieter than its loud frames."""
LEVEL = 0.08
"""Root mean square of a voice at 0 dB; full scale is 1."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Utterance:
    """What one says at a stretch. start, end: in seconds, of its first and last sound; text: empty where unknown."""

    speaker: str
    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Conversation:
    """A sound file with its reference. part: whose voices; condition: what the sound went through."""

    name: str
    part: str
    condition: str
    speakers: int
    seconds: float
    audio: str
    reference: str
    said: tuple[Utterance, ...]


@dataclass(frozen=True, eq=False)
class Placed:
    """A dry voice in the conversation, from sample `first`; speech: spans in seconds of the conversation."""

    speaker: str
    first: int
    samples: Samples
    speech: tuple[Span, ...]
    text: str

    @property
    def last(self) -> int:
        return self.first + len(self.samples)


def main() -> int:
    split, folder, sounds = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    found = [asdict(one) for one in conversations(split, folder, sounds)]
    (folder / "conversations.json").write_text(json.dumps(found, indent=1))
    return 0


def conversations(split: str, folder: Path, sounds: Path) -> Iterator[Conversation]:
    """All of a split, each written as it is made."""
    there = cast(split, sounds)
    for number, part in enumerate(PARTS[split]):
        random = Random(f"{split} {number}")
        people = _people(part, there, 2 + number % 3, random)
        placed = list(_talk(people, random))
        condition = CONDITIONS[(number + number // 4) % 4]
        name = f"{split}-{number:02}"
        audio, reference = folder / f"{name}.wav", folder / f"{name}.rttm"
        sound = _recorded(placed, condition, random)
        write(audio, sound)
        reference.write_text("".join(_rttm(name, placed)))
        said = tuple(Utterance(one.speaker, one.speech[0][0], one.speech[-1][1], one.text) for one in placed)
        seconds = len(sound) / SAMPLE_RATE
        yield Conversation(name, part, condition, len(people), seconds, str(audio), str(reference), said)


def _people(part: str, there: Cast, count: int, random: Random) -> list[Person]:
    if part == "read":
        return random.sample(there.readers, count)
    if part == "human":
        return random.sample(there.humans, count)
    readers = random.randint(1, count - 1)
    return random.sample(there.readers, readers) + random.sample(there.humans, count - readers)


def _talk(people: Sequence[Person], random: Random) -> Iterator[Placed]:
    """Turns, each with what others throw in, until the time is over and everybody has spoken."""
    left = {person.name: random.sample(person.said, len(person.said)) for person in people}
    levels = {person.name: LEVEL * 10 ** (random.uniform(-6, 3) / 20) for person in people}
    eager = {person.name: random.uniform(0.5, 1.5) for person in people}
    silent = list(people)
    speaker = random.choice(people)
    earlier, end, overlap = 0, round(0.5 * SAMPLE_RATE), 0
    while end < SECONDS * SAMPLE_RATE or silent:
        count = 1 if left[speaker.name][0].text == "" else random.choice((1, 1, 2))
        turn = [left[speaker.name].pop(0) for _ in range(min(count, len(left[speaker.name])))]
        samples = _joined(turn, levels[speaker.name])
        # Nobody falls into a turn before the one before it is over.
        first = max(end - min(overlap, len(samples) // 2), earlier)
        said = _placed(speaker.name, first, samples, " ".join(one.text for one in turn))
        yield said
        others = [one for one in people if one is not speaker]
        yield from _aside(said, others, levels, random)
        silent = [one for one in silent if one is not speaker]
        # Of an audio book there are few pieces.
        able = [one for one in others if left[one.name]] or [one for one in people if left[one.name]]
        waiting = [one for one in able if one in silent] if end > SECONDS * SAMPLE_RATE else able
        speaker = random.choices(waiting or able, [eager[one.name] for one in waiting or able])[0]
        earlier, end = end, said.last
        gap = _gap(random) if speaker.name != said.speaker else random.uniform(0.4, 1.2)
        overlap = max(0, round(-gap * SAMPLE_RATE))
        end += max(0, round(gap * SAMPLE_RATE))


def _gap(random: Random) -> float:
    """Seconds between two speakers; negative where the second begins before the first has ended."""
    draw = random.random()
    if draw < 0.25:
        return -random.uniform(0.2, 1.5)
    return random.uniform(1.5, 4.0) if draw > 0.88 else random.uniform(0.05, 0.9)


ASIDE_AFTER = 1.8
"""Seconds of a turn in which only those speak whose turn it is or was."""


def _aside(said: Placed, others: Sequence[Person], levels: dict[str, float], random: Random) -> Iterator[Placed]:
    """What somebody says in the middle of another's turn, or nothing."""
    able = [one for one in others if one.asides]
    if not able or random.random() > 0.45:
        return
    person = random.choice(able)
    aside = random.choice(person.asides)
    samples = _joined([aside], 0.7 * levels[person.name])
    margin = round(ASIDE_AFTER * SAMPLE_RATE)
    room = len(said.samples) - 2 * margin - len(samples)
    if room > 0:
        first = said.first + margin + random.randrange(room)
        yield _placed(person.name, first, samples, aside.text)


def _joined(turn: Sequence[Said], level: float) -> Samples:
    """The sounds one after the other, without silence around, at a level."""
    parts: list[Samples] = []
    for one in turn:
        sound = one.sound()
        spans = _speech(sound)
        parts += [sound[spans[0][0] : spans[-1][1]], np.zeros(round(0.25 * SAMPLE_RATE), np.float32)]
    samples = np.concatenate(parts[:-1])
    return np.asarray(samples * (level / np.sqrt(np.mean(np.square(samples)))), np.float32)


def _placed(speaker: str, first: int, samples: Samples, text: str) -> Placed:
    spans = [((first + start) / SAMPLE_RATE, (first + end) / SAMPLE_RATE) for start, end in _speech(samples)]
    return Placed(speaker, first, samples, tuple(spans), text)


def _speech(samples: Samples) -> list[tuple[int, int]]:
    """Where a dry voice sounds, in samples."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)
    loud = np.flatnonzero(level > np.quantile(level, LOUD_SHARE) + QUIET_DB)
    breaks = np.flatnonzero(np.diff(loud) > JOINED_SECONDS * SAMPLE_RATE / FRAME)
    starts, ends = loud[[0, *(breaks + 1)]], loud[[*breaks, -1]] + 1
    return [(int(start) * FRAME, int(end) * FRAME) for start, end in zip(starts, ends, strict=True)]


def _rttm(name: str, placed: Sequence[Placed]) -> Iterator[str]:
    spans = sorted((start, end, one.speaker) for one in placed for start, end in one.speech)
    for start, end, speaker in spans:
        yield f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> {speaker} <NA> <NA>\n"


def _recorded(placed: Sequence[Placed], condition: str, random: Random) -> NDArray[np.int16]:
    """What a microphone takes down of it; shape (samples,)."""
    draws = np.random.default_rng(random.randrange(2**32))
    length = max(one.last for one in placed) + SAMPLE_RATE // 2
    mixed = np.zeros(length, np.float32)
    for speaker in dict.fromkeys(one.speaker for one in placed):
        dry = np.zeros(length, np.float32)
        for one in placed:
            if one.speaker == speaker:
                dry[one.first : one.last] += one.samples
        mixed += _in_a_room(dry, draws) if condition == "room" else dry
    if condition in ("noise", "room"):
        mixed += _noise(length, draws) * LEVEL * 10 ** (-draws.uniform(10, 25) / 20)
    if condition == "telephone":
        mixed = np.asarray(resample_poly(resample_poly(mixed, 1, 2), 2, 1)[:length], np.float32)
    return np.asarray(np.clip(mixed, -1, 1) * 32767, np.int16)


def _in_a_room(dry: Samples, draws: np.random.Generator) -> Samples:
    """The voice with its echoes: noise that falls by 60 dB within the reverberation time (Polack's model)."""
    reverberation, direct_db = draws.uniform(0.2, 0.5), draws.uniform(0, 8)
    times = np.arange(round(reverberation * SAMPLE_RATE)) / SAMPLE_RATE
    echoes = draws.standard_normal(len(times)) * 10 ** (-3 * times / reverberation)
    echoes *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(np.square(echoes)))
    echoes[0] = 1.0
    return np.asarray(fftconvolve(dry, echoes)[: len(dry)], np.float32)


def _noise(length: int, draws: np.random.Generator) -> Samples:
    """As a fan makes it: its power falls by 3 dB an octave; root mean square 1."""
    spectrum = np.fft.rfft(draws.standard_normal(length))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), length)
    return np.asarray(noise / np.sqrt(np.mean(np.square(noise))), np.float32)


if __name__ == "__main__":
    sys.exit(main())
