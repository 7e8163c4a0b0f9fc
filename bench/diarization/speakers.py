"""Who spoke when, by the open diarizer and its peers; and who said what, by the whole service."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.diarization.scene import Recording, Scene
from bench.diarization.service import turns
from bench.report import Figure, Goal
from bench.speech.words import words
from bench.warm import Timed, Warm

PARTS = ("confusion", "missed", "false alarm")
KINDS = {"read": "voices that read English", "human": "people", "mixed": "both together"}


@dataclass(frozen=True)
class Side:
    """A diarizer; how it differs from the service's stands in the notes."""

    name: str
    how: str
    process: Callable[[Scene], Warm]


SIDES = (
    Side("open", "the service's own", lambda scene: scene.open),
    Side(
        "pyannote.audio's pipeline",
        "same weights, agglomerative clustering with the threshold 0.6",
        lambda scene: scene.pipeline,
    ),
    Side("resemblyzer and spectral clustering", "2 to 8 speakers", lambda scene: scene.resemblyzer),
)


def sample(scene: Scene) -> Iterator[Figure]:
    """The two-speaker sample."""
    for side in SIDES:
        with scene.report.step(f"The sample by {side.name}"):
            (found,) = _scored(scene, side, [scene.sample])
        note = f"{_split([found])}; 30 s, {_speakers([found])} of 2 speakers found; {side.how}"
        goal = Goal("at most", 0.06) if side.name == "open" else None
        yield Figure(f"diarization error rate, two-speaker sample, {side.name} (share)", _rate([found]), note, goal)


def conversations(scene: Scene) -> Iterator[Figure]:
    """The conversations that thresholds were not tuned on."""
    with scene.report.step("Making conversations"):
        recordings = scene.conversations
    found: dict[str, list[dict[str, float]]] = {}
    for side in SIDES:
        with scene.report.step(f"{len(recordings)} conversations by {side.name}"):
            found[side.name] = _scored(scene, side, recordings)
    best = min(_rate(scores) for name, scores in found.items() if name != "open")
    what = "diarization error rate, conversations"
    for side in SIDES:
        scores = found[side.name]
        count = sum(one["found"] == recording.speakers for one, recording in zip(scores, recordings, strict=True))
        note = f"{_split(scores)}; the number of speakers is right in {count} of {len(scores)}; {side.how}"
        goal = Goal("at most", round(best, 3)) if side.name == "open" else None
        if goal:
            minutes = sum(one.seconds for one in recordings) / 60
            note += f"; {minutes:.0f} minutes, 2 to 4 speakers, no collar, overlaps scored; the goal is the best peer's"
        yield Figure(f"{what}, {side.name} (share)", _rate(scores), note, goal)
    by_part = partial(_of, recordings, lambda one: one.part)
    for part, kind in KINDS.items():
        yield _beside(f"{what} of {kind}", {name: by_part(scores, part) for name, scores in found.items()})
    by_count = partial(_of, recordings, lambda one: one.speakers)
    for count in sorted({one.speakers for one in recordings}):
        yield _beside(f"{what} of {count} speakers", {name: by_count(scores, count) for name, scores in found.items()})


def said(scene: Scene) -> Iterator[Figure]:
    """Who said what: text, word times, speakers and assignment together, as /transcribe answers."""
    recordings = [one for one in (scene.sample, *scene.conversations) if one.said]
    asked, plain = [], []
    served = scene.served
    with scene.report.step(f"Who said what in {len(recordings)} recordings") as bar:
        for number, one in enumerate(recordings):
            answer = served.transcribe(one.audio, diarize="true", language="en")
            heard = [(segment.get("speaker", "nobody"), segment["text"]) for segment in answer.body["segments"]]
            asked.append({"said": _by_speaker(one.said), "heard": _by_speaker(heard)})
            # All as one speaker's, in the order of their beginnings: what the words alone cost.
            alone = [[("all", text) for _, text in texts] for texts in (one.said, heard)]
            plain.append({"said": _by_speaker(alone[0]), "heard": _by_speaker(alone[1])})
            bar.update(number + 1, len(recordings))
    errors = scene.scored(asked)
    yield _words("who said what, two-speaker sample", errors[:1], "cpWER of 30 s")
    words_alone = scene.scored(plain[1:])
    rate = sum(one["errors"] for one in words_alone) / sum(one["total"] for one in words_alone)
    note = f"cpWER of {len(errors) - 1} conversations of voices that read English; without speakers {rate:.3f}"
    yield _words("who said what, conversations", errors[1:], note)


def _words(figure: str, errors: Sequence[dict[str, float]], note: str) -> Figure:
    wrong, total = (int(sum(one[key] for one in errors)) for key in ("errors", "total"))
    how = "base int8; words of overlapping voices count"
    return Figure(
        f"{figure} (share of words wrong or given to another)", wrong / total, f"{wrong} of {total}; {note}; {how}"
    )


def _by_speaker(said: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Speaker -> the words, as they are compared."""
    found: dict[str, list[str]] = {}
    for speaker, text in said:
        found.setdefault(speaker, []).append(text)
    return {speaker: " ".join(words(" ".join(texts), "en")) for speaker, texts in found.items()}


def _scored(scene: Scene, side: Side, recordings: Sequence[Recording]) -> list[dict[str, float]]:
    process = side.process(scene)
    asked: list[dict[str, Any]] = []
    for one in recordings:
        asked.append({"reference": str(one.reference), "turns": turns(process.transcribe(one.audio).text)})
    scores = scene.scored(asked)
    for score, answer in zip(scores, asked, strict=True):
        score["found"] = len({speaker for _, _, speaker in answer["turns"]})
    return scores


def rate_of(scene: Scene, recording: Recording, timed: Timed) -> float:
    """The diarization error rate of one answer."""
    return _rate(scene.scored([{"reference": str(recording.reference), "turns": turns(timed.text)}]))


def _of(
    recordings: Sequence[Recording],
    key: Callable[[Recording], object],
    scores: Sequence[dict[str, float]],
    value: object,
) -> list[dict[str, float]]:
    return [score for score, one in zip(scores, recordings, strict=True) if key(one) == value]


def _beside(figure: str, found: dict[str, list[dict[str, float]]]) -> Figure:
    own = found["open"]
    others = "; ".join(f"{name} {_rate(scores):.3f}" for name, scores in found.items() if name != "open")
    return Figure(f"{figure}, open (share)", _rate(own), f"{len(own)} conversations: {_split(own)}; {others}")


def _rate(scores: Sequence[dict[str, float]]) -> float:
    return sum(one[part] for one in scores for part in PARTS) / sum(one["total"] for one in scores)


def _split(scores: Sequence[dict[str, float]]) -> str:
    total = sum(one["total"] for one in scores)
    return ", ".join(f"{part} {sum(one[part] for one in scores) / total:.3f}" for part in PARTS)


def _speakers(scores: Sequence[dict[str, float]]) -> int:
    return int(sum(one["found"] for one in scores))
