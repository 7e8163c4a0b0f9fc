"""Word errors of the service beside the library's, on the same audio."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import Figure, Goal
from bench.speech.scene import Scene
from bench.speech.words import edits, words

HUMAN = "recorded human speech"
PARTS = {
    "synthetic speech": ("espeak-ng", "Piper"),
    HUMAN: ("recordings", "dates"),
}
ARBITER = "prompts"
"""The part whose words nobody wrote down: edits against OpenAI's own implementation of the same model."""


@dataclass(frozen=True)
class Heard:
    """One clip of the corpus: what is said, and what the service and the library heard.

    unbatched: by the library's plain way, which is slow, so of human speech alone; empty for the rest.
    """

    part: str
    language: str
    said: Sequence[str]
    served: Sequence[str]
    library: Sequence[str]
    unbatched: Sequence[str]


def measure(scene: Scene) -> Iterator[Figure]:
    """A row for each kind of speech and for each language."""
    with scene.report.step("Reading aloud in six languages"):
        clips = scene.corpus()
    heard: list[Heard] = []
    with scene.report.step(f"Word errors on {len(clips)} files") as bar:
        for number, clip in enumerate(clips):
            heard.append(_heard(scene, clip))
            bar.update(number + 1, len(clips))
    for title, parts in PARTS.items():
        own = [one for one in heard if one.part in parts]
        yield _row(f"word error rate, {title}", own, "; the goal is the library's best; the language given", goal=True)
        for language in dict.fromkeys(one.language for one in own):
            yield _row(f"word error rate, {title}, {language}", [one for one in own if one.language == language], "")
    how = "; no reference is to be had, so against openai-whisper's text in float32; en, es, fr, it, ru"
    yield _row("words that differ, telephone prompts", [one for one in heard if one.part == ARBITER], how, goal=True)


def _heard(scene: Scene, clip: dict[str, str]) -> Heard:
    audio, language = Path(clip["audio"]), clip["language"]
    # One file, one language, given: a wrong guess would count as errors of every word.
    served = scene.served.transcribe(audio, language=language).text
    library = scene.library.transcribe(audio, batched=True, language=language).text
    human = clip["part"] in PARTS[HUMAN]
    unbatched = scene.library.transcribe(audio, batched=False, language=language).text if human else ""
    said = clip["said"] or scene.openai_whisper.transcribe(audio, language=language).text
    return Heard(clip["part"], language, *(words(text, language) for text in (said, served, library, unbatched)))


def _row(figure: str, heard: Sequence[Heard], how: str, goal: bool = False) -> Figure:
    count = max(1, sum(len(one.said) for one in heard))
    sides = ("served", "library", "unbatched")
    ours, theirs, plain = (sum(edits(one.said, getattr(one, side)) for one in heard) for side in sides)
    note = f"{ours} edits of {count} words; the library's batched pipeline {theirs}"
    if any(one.unbatched for one in heard):
        note += f", its plain way {plain}"
        theirs = min(theirs, plain)
    bound = Goal("at most", round(theirs / count, 3)) if goal else None
    return Figure(f"{figure} (share)", ours / count, note + how, bound)
