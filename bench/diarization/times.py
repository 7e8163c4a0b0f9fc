"""How far the times of words are from where the voice has them."""

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from bench.diarization.scene import Scene
from bench.report import Figure, Goal
from bench.speech import service as faster_whisper

Word = tuple[str, float, float]
"""Text, start and end in seconds."""

GOAL = Goal("at most", 50)
BEST = "pocketsphinx"
"""What the service aligns English by; its words in other languages are UNBIASED."""
UNBIASED = "attention without its bias"
RAW = "attention as it is"
SHIFT = "from stt_speakers.alignment.attention import unbiased; print(*unbiased((0.0, 0.0)))"
"""Seconds by which starts and ends are moved to that end."""


@dataclass(frozen=True)
class Errors:
    """Of the words that were heard as they were said, in seconds; later is positive."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    said: int


def measure(scene: Scene) -> Iterator[Figure]:
    """A row for starts and one for ends, of each voice, language and aligner."""
    with scene.report.step("Reading aloud with known times"):
        folder = scene.folder / "spoken"
        scene.peers("bench.diarization.spoken", str(folder))
        clips = json.loads((folder / "spoken.json").read_text())
    starts, ends = map(float, scene.services(SHIFT).split())
    found: dict[tuple[str, str, str], list[Errors]] = {}
    with (
        faster_whisper.running(scene.folder / "plain.log") as plain,
        scene.report.step(f"Word times of {len(clips)} files") as bar,
    ):
        for number, clip in enumerate(clips):
            audio, language = Path(clip["audio"]), clip["language"]
            said = [(text, start, end) for text, start, end in clip["words"]]
            raw = plain.words(audio, language)
            moved = [(text, start + starts, end + ends) for text, start, end in raw]
            aligned = _words(scene.served.transcribe(audio, language=language).body)
            sides = {BEST: aligned, UNBIASED: moved} if language == "en" else {UNBIASED: aligned}
            for aligner, heard in (sides | {RAW: raw}).items():
                found.setdefault((clip["voice"], language, aligner), []).append(errors(said, heard))
            bar.update(number + 1, len(clips))
    for (voice, language, aligner), several in found.items():
        goal = GOAL if (voice, aligner) == ("Piper", BEST) else None
        for side in ("starts", "ends"):
            figure = f"word {side}, {language}, {voice}, {aligner}: error (ms)"
            values = [1000 * value for one in several for value in getattr(one, side)]
            if not values:
                yield Figure(figure, None, "no word was heard as it was said")
                continue
            note = (
                f"median of {len(values)} of {sum(one.said for one in several)} words, by {voice}; "
                f"90 % within {_share(values, 0.9):.0f} ms; bias {statistics.median(values):+.0f} ms"
            )
            median = statistics.median(map(abs, values))
            yield Figure(figure, median, note, goal)


def errors(said: Sequence[Word], heard: Sequence[Word]) -> Errors:
    """Word by word, where both have the same one."""
    matcher = SequenceMatcher(None, [plain(text) for text, *_ in said], [plain(text) for text, *_ in heard], False)
    pairs = [
        (said[block.a + n], heard[block.b + n]) for block in matcher.get_matching_blocks() for n in range(block.size)
    ]
    return Errors(
        tuple(found[1] - true[1] for true, found in pairs),
        tuple(found[2] - true[2] for true, found in pairs),
        len(said),
    )


def plain(text: str) -> str:
    """Without case and marks."""
    return "".join(letter for letter in text.casefold().replace("ё", "е") if letter.isalnum())


def _words(body: Any) -> list[Word]:
    return [(word["word"], word["start"], word["end"]) for one in body["segments"] for word in one["words"]]


def _share(values: Sequence[float], part: float) -> float:
    """What so many of the errors' sizes do not exceed."""
    return sorted(map(abs, values))[min(len(values) - 1, int(part * len(values)))]
