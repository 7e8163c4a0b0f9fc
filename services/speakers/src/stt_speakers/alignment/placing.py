"""From times that an aligner found to words in order. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice, pairwise
from math import inf

from stt_core.engine.protocol import Segment, Word

Interval = tuple[float, float]
"""Start and end of a word, in seconds."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words [first, last) of a file, said within [start, end) seconds of it."""

    first: int
    last: int
    start: float
    end: float


def words_of(segments: Iterable[Segment]) -> list[Word]:
    return [word for segment in segments for word in segment.words]


def filled(rough: Sequence[Interval], found: Sequence[Interval | None]) -> list[Interval]:
    """What was found; a word that was not stays where it roughly was, so far as that is between its
    neighbours."""
    floors = list(accumulate((one[1] if one else 0.0 for one in found), max, initial=0.0))
    ceilings = list(accumulate((one[0] if one else inf for one in reversed(found)), min, initial=inf))[::-1]
    return [
        one or (_within(own[0], floor, ceiling), _within(own[1], floor, ceiling))
        for own, one, floor, ceiling in zip(rough, found, floors[:-1], ceilings[1:], strict=True)
    ]


def placed(segments: Sequence[Segment], times: Sequence[Interval], end: float) -> tuple[Segment, ...]:
    """The segments with their words at those times, one for each word of all segments.

    Words come out in order, without overlap and in [0, end]; those that overlap meet in the middle of it.
    """
    ordered = iter(_ordered(times, end))
    return tuple(_timed(segment, list(islice(ordered, len(segment.words)))) for segment in segments)


def stretches(times: Sequence[Interval], limit: float, pause: float, margin: float, end: float) -> list[Stretch]:
    """Words that are aligned together: cut at each pause of so many seconds, then at the longest near the
    middle until none takes longer than `limit`. A stretch has half the pause around it, at most `margin`."""
    gaps = [max(0.0, after[0] - before[1]) for before, after in pairwise(times)]
    borders = [0, *(place + 1 for place, gap in enumerate(gaps) if gap >= pause), len(times)]
    left = list(pairwise(borders))[::-1] if times else []
    runs = []
    while left:
        first, last = left.pop()
        if last - first == 1 or times[last - 1][1] - times[first][0] <= limit:
            runs.append((first, last))
            continue
        quarter = (last - first) // 4
        cut = max(range(first + quarter, last - 1 - quarter), key=gaps.__getitem__)
        left += [(cut + 1, last), (first, cut + 1)]
    return [
        Stretch(
            first,
            last,
            max(0.0, times[first][0] - min(margin, gaps[first - 1] / 2 if first else margin)),
            min(end, times[last - 1][1] + min(margin, gaps[last - 1] / 2 if last < len(times) else margin)),
        )
        for first, last in runs
    ]


def _within(time: float, floor: float, ceiling: float) -> float:
    return max(floor, min(time, ceiling))


def _ordered(times: Sequence[Interval], end: float) -> list[Interval]:
    ordered: list[Interval] = []
    floor = 0.0
    for place, (start, stop) in enumerate(times):
        ahead = times[place + 1][0] if place + 1 < len(times) else end
        if ahead < stop:
            stop = max(start, (ahead + stop) / 2)
        start = min(max(start, floor), end)
        floor = min(max(start, stop), end)
        ordered.append((start, floor))
    return ordered


def _timed(segment: Segment, times: Sequence[Interval]) -> Segment:
    if not times:
        return segment
    words = tuple(
        replace(word, start=start, end=stop) for word, (start, stop) in zip(segment.words, times, strict=True)
    )
    return replace(segment, start=words[0].start, end=words[-1].end, words=words)
