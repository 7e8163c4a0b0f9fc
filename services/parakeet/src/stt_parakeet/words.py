"""From tokens with the time at which each was heard to words and segments. Pure."""

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stt_core.engine.protocol import Logprob, Segment, Word

LONGEST = 0.32
"""Seconds that a token sounds at most: the largest step of a TDT model is four frames of 80 ms, and what follows
later is silence."""
PAUSE = 1.0
"""Seconds without a word that end a segment."""
TOO_LONG = 15.0
"""Seconds of a segment beyond which it is parted at its longest pause."""

_SPECIAL = re.compile(r"<unk>|<blk>|<pad>|<\|.*\|>|⁇")
"""Tokens that stand for no text."""
_ENDING = re.compile(r"[.?!…。]+[\"'»”’)\]]*$")
_SOUNDLESS = re.compile(r"[\W_]*$")
_CLOSING = re.compile(r"\s+[.,:;!?…%»”’)\]}]+$")
"""Marks behind a space that belong to the word before them, as French writes some."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text, with its leading space where a word begins; start: in seconds."""

    text: str
    start: float
    logprob: float = 0.0


def tokens(texts: Sequence[str], times: Sequence[float], logprobs: Sequence[float] | None) -> list[Token]:
    """Those of a result that stand for text."""
    rated = logprobs if logprobs is not None else [0.0] * len(texts)
    return [
        Token(text, time, float(logprob))
        for text, time, logprob in zip(texts, times, rated, strict=True)
        if text and not _SPECIAL.fullmatch(text)
    ]


def text_of(texts: Iterable[str]) -> str:
    """The text of tokens as they are, with the space before ¿ or $ that onnx-asr takes away."""
    return re.sub(r"\s+", " ", "".join(text for text in texts if not _SPECIAL.fullmatch(text)))


def parted(heard: Iterable[Token]) -> Iterator[list[Token]]:
    """The tokens of each word. The space before it may be a token of its own."""
    own: list[Token] = []
    for token in heard:
        begins = token.text[:1].isspace() and not _CLOSING.match(token.text)
        if begins and any(piece.text.strip() for piece in own):
            yield own
            own = []
        own.append(token)
    if any(piece.text.strip() for piece in own):
        yield own


def words(spoken: Sequence[Sequence[Token]], length: float) -> list[Word]:
    """In order and without overlap, all within `length` seconds; each with a leading space.

    spoken: the tokens of each. Marks belong to the word before them, and do not make it longer.
    """
    starts = [own[0].start for own in spoken]
    found = []
    for index, own in enumerate(spoken):
        start, limit = _room(starts, index, length)
        sounding = [token.start for token in own if not _SOUNDLESS.match(token.text)] or [start]
        end = min(max(sounding[-1], start) + LONGEST, limit)
        text = " " + "".join(token.text for token in own).strip()
        found.append(Word(text, start, max(start, end), _probability(own)))
    return found


def segments(found: Sequence[Word], spoken: Sequence[Sequence[Token]], joints: Sequence[float]) -> list[Segment]:
    """Sentences, and what lies between pauses.

    spoken: the tokens of each word. joints: where in the window stretches of the file are joined; no segment has words
    of both sides.
    """
    runs: list[list[int]] = []
    for index, word in enumerate(found):
        before = found[index - 1] if index else None
        if before is None or _ends(before, word, joints):
            runs.append([])
        runs[-1].append(index)
    parts = [part for run in runs for part in _bounded(found, run)]
    return [_segment([found[i] for i in part], [token for i in part for token in spoken[i]]) for part in parts]


def whole(text: str, start: float, end: float, logprobs: Sequence[float] | None) -> list[Segment]:
    """The one segment of a model that tells no times."""
    if not text.strip():
        return []
    mean = sum(logprobs) / len(logprobs) if logprobs else 0.0
    said = " " + text.strip()
    return [Segment(start, end, said, avg_logprob=mean, compression_ratio=_ratio(said))]


def _room(starts: Sequence[float], index: int, length: float) -> tuple[float, float]:
    """Where a word may lie. Words that begin in the same frame share the time until the next one."""
    at = starts[index]
    first = next(i for i in range(index + 1) if starts[i] == at)
    after = next((start for start in starts[index:] if start > at), length)
    alike = sum(start == at for start in starts[first:])
    share = (min(after, at + LONGEST) - at) / alike if alike > 1 else 0.0
    start = min(at + share * (index - first), length)
    last = index - first == alike - 1
    return start, max(start, min(after if last else start + share, length))


def _ends(before: Word, word: Word, joints: Sequence[float]) -> bool:
    """A segment ends between these two."""
    return (
        bool(_ENDING.search(before.text))
        or word.start - before.end > PAUSE
        or any(before.start < joint <= word.start for joint in joints)
    )


def _bounded(found: Sequence[Word], run: list[int]) -> Iterator[list[int]]:
    if found[run[-1]].end - found[run[0]].start <= TOO_LONG or len(run) < 2:
        yield run
        return
    pauses = [found[b].start - found[a].end for a, b in pairwise(run)]
    # Where several are as long, the one in the middle: else a word might be left alone.
    middle = len(pauses) / 2
    at = max(range(len(pauses)), key=lambda i: (round(pauses[i], 2), -abs(i - middle))) + 1
    yield from _bounded(found, run[:at])
    yield from _bounded(found, run[at:])


def _segment(own: Sequence[Word], heard: Sequence[Token]) -> Segment:
    text = "".join(word.text for word in own)
    return Segment(
        own[0].start,
        own[-1].end,
        text,
        avg_logprob=sum(token.logprob for token in heard) / len(heard),
        compression_ratio=_ratio(text),
        words=tuple(own),
        logprobs=tuple(Logprob(token.text.encode(), token.logprob) for token in heard),
    )


def _probability(own: Sequence[Token]) -> float:
    return math.exp(min(0.0, sum(token.logprob for token in own) / len(own)))


def _ratio(text: str) -> float:
    """As Whisper has it: how many times shorter the text is when it is compressed."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
