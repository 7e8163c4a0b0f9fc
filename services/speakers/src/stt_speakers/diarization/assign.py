"""Which words are whose. Pure.

Every word costs the seconds of it that somebody else spoke, and every change of the speaker costs some more,
little where a sentence ends and much within one; the cheapest reading of the whole text wins. So a word at
which the diarizer was late goes with its sentence, and one that is plainly another's stays theirs.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from stt_core.engine.protocol import Segment
from stt_core.output.subtitles import CLAUSE, CLOSING, SENTENCE
from stt_speakers.diarization.protocol import Diarization, Turn

CHANGE = 0.35
"""Seconds of another's speech that a change of the speaker within a sentence must save."""
CHANGE_AT_PAUSE = 0.1
CHANGE_AT_END = 0.03
"""The same between sentences: an interjection may be as short as two of them."""
PAUSE = 0.5
"""Seconds of silence between words at which people change turns."""
NEAREST = 0.1
"""Seconds that a word which overlaps with no turn counts for the nearest."""


@dataclass(frozen=True, slots=True)
class Part:
    """What has one speaker: a word, or a segment without words. `ends`: a sentence may end here."""

    start: float
    end: float
    ends: bool


def assigned(segments: Sequence[Segment], diarization: Diarization, names: Sequence[str]) -> tuple[Segment, ...]:
    """The segments with their speakers, cut where the speaker changes; all texts joined stay as they were.

    names: of the speakers by number. Without any turn nobody is named. Cuts are made between words; a segment
    that has none, or others than its text, has one speaker.
    """
    turns = exclusive(diarization.exclusive or diarization.turns)
    if not turns:
        return tuple(segments)
    parts = [_parts(segment) for segment in segments]
    speakers = iter(_cheapest([part for own in parts for part in own], turns))
    return tuple(
        piece
        for segment, own in zip(segments, parts, strict=True)
        for piece in _cut(segment, [names[next(speakers)] for _ in own])
    )


def exclusive(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """One speaker at a time: who speaks first goes on, and others have what follows that turn."""
    found: list[Turn] = []
    floor = float("-inf")
    for turn in sorted(turns, key=lambda turn: (turn.start, -turn.end)):
        start = max(floor, turn.start)
        if turn.end > start:
            found.append(replace(turn, start=start))
            floor = turn.end
    return tuple(found)


def _parts(segment: Segment) -> list[Part]:
    """What may have speakers of their own. The end of a segment is as good as that of a sentence."""
    if not _timed(segment):
        return [Part(segment.start, segment.end, True)]
    last = len(segment.words) - 1
    return [Part(word.start, word.end, place == last or _ends(word.text)) for place, word in enumerate(segment.words)]


def _timed(segment: Segment) -> bool:
    """Whether its words are its text."""
    return bool(segment.words) and _dense("".join(word.text for word in segment.words)) == _dense(segment.text)


def _dense(text: str) -> str:
    return "".join(text.split())


def _ends(text: str) -> bool:
    written = text.rstrip()
    marks = [mark for mark in written[len(written.rstrip(CLOSING + "\"'")) :] if mark in SENTENCE + CLAUSE]
    return bool(marks) and marks[-1] in SENTENCE


def _cheapest(parts: Sequence[Part], turns: Sequence[Turn]) -> list[int]:
    """The speaker of each part, by dynamic programming over parts and speakers."""
    people = sorted({turn.speaker for turn in turns})
    ends = [turn.end for turn in turns]
    cost = dict.fromkeys(people, 0.0)
    came: list[dict[int, int]] = []
    before: Part | None = None
    for part in parts:
        change = _change(before, part) if before else 0.0
        cheapest = min(people, key=cost.__getitem__)
        stay = {one: one if cost[one] <= cost[cheapest] + change else cheapest for one in people}
        spoken = _spoken(part, turns, ends)
        total = sum(spoken.values())
        cost = {
            one: cost[stay[one]] + (change if stay[one] != one else 0.0) + total - spoken.get(one, 0.0)
            for one in people
        }
        came.append(stay)
        before = part
    speaker = min(people, key=cost.__getitem__)
    found: list[int] = []
    for stay in reversed(came):
        found.append(speaker)
        speaker = stay[speaker]
    return found[::-1]


def _change(before: Part, after: Part) -> float:
    if before.ends:
        return CHANGE_AT_END
    return CHANGE_AT_PAUSE if after.start - before.end >= PAUSE else CHANGE


def _spoken(part: Part, turns: Sequence[Turn], ends: Sequence[float]) -> Mapping[int, float]:
    """Seconds of the part that each spoke; a little for the nearest where nobody did."""
    found: dict[int, float] = {}
    first = place = bisect_right(ends, part.start)
    while place < len(turns) and turns[place].start < part.end:
        turn = turns[place]
        shared = min(part.end, turn.end) - max(part.start, turn.start)
        found[turn.speaker] = found.get(turn.speaker, 0.0) + shared
        place += 1
    if found:
        return found
    around = turns[max(0, first - 1) : first + 1]
    nearest = min(around, key=lambda turn: max(turn.start - part.end, part.start - turn.end))
    return {nearest.speaker: NEAREST}


def _cut(segment: Segment, speakers: Sequence[str]) -> Iterator[Segment]:
    """The segment in pieces of one speaker each; `speakers`: of its words, or of the whole."""
    if len(set(speakers)) == 1:
        words = tuple(replace(word, speaker=speakers[0]) for word in segment.words)
        yield replace(segment, words=words, speaker=speakers[0])
        return
    cuts = [place for place in range(1, len(speakers)) if speakers[place] != speakers[place - 1]]
    places = [0, *(_after(segment, cut) for cut in cuts), len(segment.text)]
    clock = segment.start
    for (first, last), (begin, until) in zip(pairwise([0, *cuts, len(speakers)]), pairwise(places), strict=True):
        speaker = speakers[first]
        words = tuple(replace(word, speaker=speaker) for word in segment.words[first:last])
        start = max(clock, words[0].start) if first else clock
        end = segment.end if last == len(speakers) else words[-1].end
        clock = max(start, end)
        yield replace(
            segment,
            start=start,
            end=clock,
            text=segment.text[begin:until],
            tokens=segment.tokens[_token(segment, begin) : _token(segment, until)],
            logprobs=segment.logprobs[_logprob(segment, begin) : _logprob(segment, until)],
            words=words,
            speaker=speaker,
        )


def _after(segment: Segment, words: int) -> int:
    """The place in the text that follows so many words; white space goes with what comes after it."""
    left = sum(len(_dense(word.text)) for word in segment.words[:words])
    for place, letter in enumerate(segment.text):
        if left == 0:
            return place
        left -= not letter.isspace()
    return len(segment.text)


def _token(segment: Segment, place: int) -> int:
    """How many tokens are before a place in the text: by its share of it, for only a tokenizer knows."""
    return round(len(segment.tokens) * place / len(segment.text))


def _logprob(segment: Segment, place: int) -> int:
    """How many of the tokens with log probabilities begin before a place in the text."""
    left = len(segment.text[:place].encode())
    begins = accumulate((len(one.raw) for one in segment.logprobs), initial=0)
    return min(len(segment.logprobs), sum(begin < left for begin in begins))
