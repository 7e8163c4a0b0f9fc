"""From tokens and the times at which each was said to words, sentences, and speech without words. Pure.

Times are seconds. `speech` are the stretches in which the voice detector hears somebody, in order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

Times = tuple[float, float]

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to the word after or before them, as faster-whisper has it."""

ONSET = 0.1
"""Seconds by which the detector may hear a word too late."""
LATE = 3
"""So many times as much counts what a word shares with the stretch in which it ends."""
LOST = 0.9
"""Seconds of speech without a word that are decoded on their own. In 91 windows of six languages this is
so at three places: at two Whisper had left out a telephone prompt, at one it understood nothing."""
SLOW = 0.2
SLOWEST = 1.25
"""Seconds that a letter, and any word, may take. Speech that was left out becomes part of the next word."""
PAUSE = 1.0
"""A pause of so many seconds ends a segment."""
BREATH = 0.3
"""A pause of so many seconds is a good place to go on from."""
LONG = 12.0
"""Seconds after which a segment that has no other end is parted where its speaker pauses longest."""
ENDS = ".?!。？！…"
TITLES = frozenset({"mr", "mrs", "ms", "dr", "st", "prof", "m", "mme", "sr", "sra", "herr", "frau"})
"""A full stop after these ends no sentence; nor does one after a single letter."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word: its text and tokens, when it was said, and how likely each token is."""

    text: str
    tokens: tuple[int, ...]
    start: float
    end: float
    likely: tuple[float, ...]

    @property
    def probability(self) -> float:
        return sum(self.likely) / max(1, len(self.likely))


def words(pieces: Sequence[tuple[str, Sequence[int]]], times: Sequence[float], likely: Sequence[float]) -> list[Said]:
    """pieces: words and marks as (text, tokens). times: of each token's start, and the last one's end.

    A mark is part of its word but takes none of its time: a full stop lasts as long as the silence after it.
    """
    found: list[Said] = []
    opening: Said | None = None
    place = 0
    for text, tokens in pieces:
        last = place + len(tokens)
        one = Said(text, tuple(tokens), times[place], times[last], tuple(likely[place:last]))
        place = last
        if text.startswith(" ") and text.strip() and text.strip() in PREPENDED:
            opening = one if opening is None else _joined(opening, one, one)
        elif opening is not None:
            found.append(_joined(opening, one, one))
            opening = None
        elif found and (text in APPENDED or not text.strip()) and not found[-1].text.endswith(" "):
            found[-1] = _joined(found[-1], one, found[-1])
        else:
            found.append(one)
    return [*found, opening] if opening is not None else found


def _joined(one: Said, two: Said, spoken: Said) -> Said:
    return Said(one.text + two.text, one.tokens + two.tokens, spoken.start, spoken.end, one.likely + two.likely)


def placed(said: Sequence[Said], speech: Sequence[Times]) -> list[Said]:
    """Each word within the stretch of speech that it shares most with; where there is none, as it was.

    Cross-attention has a word begin where the one before it ends, pauses included: its end is the surer time.
    """
    found: list[Said] = []
    floor = 0.0
    for word in said:
        longest = max(SLOWEST, SLOW * sum(letter.isalnum() for letter in word.text))
        start, end = max(word.start, word.end - longest), word.end
        shared = [
            ((min(end, last) - max(start, first)) * (LATE if first < end <= last else 1), first, last)
            for first, last in speech
        ]
        share, first, last = max(shared, default=(0.0, 0.0, 0.0))
        if share > 0:
            end = min(end, last + ONSET)
            start = max(word.start, first - ONSET, end - longest)
        start = max(floor, start)
        found.append(replace(word, start=float(start), end=float(max(start, end))))
        floor = max(start, end)
    return found


def lost(said: Sequence[Said], speech: Sequence[Times]) -> Iterator[Times]:
    """Where at least LOST seconds of speech lie between two words, before the first or after the last."""
    covered = [(0.0, 0.0), *((word.start, word.end) for word in said), (inf, inf)]
    for (_, first), (last, _) in pairwise(covered):
        parts = [(max(start, first), min(end, last)) for start, end in speech if end > first and start < last]
        if sum(end - start for start, end in parts) >= LOST:
            yield parts[0][0], parts[-1][1]


def certain(said: Sequence[Said]) -> int:
    """How many words of a text that broke off are to be kept: up to its last pause or sentence, or all but
    the last word, which may be half."""
    for count in range(len(said) - 1, len(said) * 2 // 3, -1):
        if _ended(said[count - 1].text) or said[count].start - said[count - 1].end >= BREATH:
            return count
    return max(0, len(said) - 1)


def sentences(said: Sequence[Said]) -> Iterator[list[Said]]:
    """The words of each segment: a sentence, or what is said between two pauses."""
    open_: list[Said] = []
    for word in said:
        if open_ and (_ended(open_[-1].text) or word.start - open_[-1].end >= PAUSE):
            yield from _short(open_)
            open_ = []
        open_.append(word)
    yield from _short(open_)


def _ended(text: str) -> bool:
    bare = text.strip().rstrip("\"'”)]}»")
    if not bare or bare[-1] not in ENDS:
        return False
    letters = bare.rstrip(".").lower()
    return not (bare.endswith(".") and (letters in TITLES or (len(letters) == 1 and letters.isalpha())))


def _short(said: list[Said]) -> Iterable[list[Said]]:
    if len(said) < 2 or said[-1].end - said[0].start <= LONG:
        return [said] if said else []
    # The longest pause; of equal ones that in the middle.
    middle = (said[0].start + said[-1].end) / 2
    cut = max(
        range(1, len(said)),
        key=lambda at: (round(said[at].start - said[at - 1].end, 1), -abs(said[at].start - middle)),
    )
    return [*_short(said[:cut]), *_short(said[cut:])]
