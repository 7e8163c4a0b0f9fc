"""Segments as cues that can be read: short lines, few of them, not too long on the screen. Pure.

Cues are cut by the times of words; where an engine gives none, a segment's time is shared out by the width of
its text. Nothing is left out but the white space at which a line breaks. A cue is of one segment, so of one
speaker, whose name it begins with where that is known.
"""

import heapq
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise

from stt_core.engine.protocol import Segment
from stt_core.output.speaker_labels import introduction

SHORTEST = 1.0
"""Seconds that a cue stays where the next leaves room, so that a single word can be read."""
PAUSE = 1.0
"""A pause of more seconds than this is better outside a cue than in it."""

SENTENCE = ".!?…。！？"
CLAUSE = ",;:–—、，；："
OPENING = "([{¿¡«“‘（「『【〈《〔"
CLOSING = SENTENCE + CLAUSE + ")]}»”’％%）」』】〉》〕ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々"
"""What stays with the letter after it, and what with the one before, in scripts without spaces."""
UNSPACED = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3000, 0x30FF),  # punctuation, Japanese syllables
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x20000, 0x3FFFF),
)
"""Scripts that write no spaces between words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a screen takes: columns a line (a wide letter has two), lines a cue, seconds a cue."""

    line: int = 42
    lines: int = 2
    seconds: float = 7.0


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen from `start` to `end` (seconds)."""

    start: float
    end: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """What no line breaks within, `columns` wide. `gap`: white space stood before it."""

    text: str
    columns: int
    gap: bool
    start: float
    end: float


def cues(segments: Iterable[Segment], limits: Limits) -> list[Cue]:
    """The cues in order; of one speaker none before the end of the one before it. People speak at once."""
    voices: dict[str | None, list[Cue]] = {}
    for segment in segments:
        voices.setdefault(segment.speaker, []).extend(_of(segment, limits))
    spoken = [[(speaker, cue) for cue in own] for speaker, own in voices.items()]
    found = list(heapq.merge(*spoken, key=lambda one: one[1].start))
    kept: list[Cue] = []
    floors = dict.fromkeys(voices, 0.0)
    for index, (speaker, cue) in enumerate(found):
        start = max(floors[speaker], round(cue.start, 3))
        room = found[index + 1][1].start if index + 1 < len(found) else start + SHORTEST
        end = max(start, round(max(cue.end, min(start + SHORTEST, room)), 3))
        floors[speaker] = end = min(end, round(start + limits.seconds, 3))
        kept.append(Cue(start, end, cue.lines))
    return sorted(kept, key=lambda cue: cue.start)


def _of(segment: Segment, limits: Limits) -> Iterator[Cue]:
    """Those of one segment, each with its speaker before it where that is known, as WhisperX writes it."""
    before = "" if segment.speaker is None else introduction(segment.speaker)
    # What is too wide to share a line does not count as part of it.
    indent = width(before) if width(before) <= limits.line // 2 else 0
    for cue in _cut(pieces(segment, limits.line - indent), limits, indent):
        first, *others = _wrapped(cue, limits.line, indent)
        yield Cue(cue[0].start, cue[-1].end, (before + first, *others))


def width(text: str) -> int:
    """Columns on a screen: Chinese characters and their like take two, marks over a letter none."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else unicodedata.category(letter) not in ("Mn", "Me")
        for letter in text
    )


def pieces(segment: Segment, line: int) -> list[Piece]:
    """The text in pieces of at most `line` columns, with their times."""
    text = segment.text
    if "".join("".join(word.text for word in segment.words).split()) == "".join(text.split()):
        timed = [(word.text, word.start, word.end) for word in segment.words]
        inside = False
    else:
        timed, inside = [(text, segment.start, segment.end)], True
    found: list[Piece] = []
    gap = False
    for spoken, start, end in timed:
        units = list(_units(spoken, inside=inside))
        ends = list(accumulate(width(unit) for _, unit in units))
        total = max(1, ends[-1] if ends else 0)
        for (spaced, unit), at in zip(units, ends, strict=True):
            first = start + (end - start) * (at - width(unit)) / total
            piece = Piece(unit, width(unit), gap or spaced, first, start + (end - start) * at / total)
            if found and not piece.gap and not _parts(found[-1].text[-1], unit[0]):
                before = found.pop()
                whole = before.text + unit
                piece = replace(piece, text=whole, columns=width(whole), gap=before.gap, start=before.start)
            found.append(piece)
            gap = False
        gap = gap or spoken[-1:].isspace()
    return [part for piece in found for part in _short(piece, line)]


def _units(text: str, *, inside: bool) -> Iterator[tuple[bool, str]]:
    """Parts at white space; `inside`: also between letters of scripts that have none."""
    spaced, unit = False, ""
    for letter in text:
        if letter.isspace() or (inside and unit and _parts(unit[-1], letter)):
            if unit:
                yield spaced, unit
                spaced, unit = False, ""
            if letter.isspace():
                spaced = True
                continue
        unit += letter
    if unit:
        yield spaced, unit


def _parts(one: str, two: str) -> bool:
    """Whether a line may break between two letters that no white space parts."""
    if two in CLOSING or one in OPENING or unicodedata.category(two).startswith("M"):
        return False
    return _unspaced(one) or _unspaced(two)


def _unspaced(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in UNSPACED)


def _short(piece: Piece, line: int) -> Iterator[Piece]:
    """A piece that no line holds is cut anyway."""
    if piece.columns <= line:
        yield piece
        return
    parts = [""]
    for letter in piece.text:
        if parts[-1] and width(parts[-1] + letter) > line:
            parts.append("")
        parts[-1] += letter
    at = 0
    for part in parts:
        first, at = at, at + width(part)
        start, end = (piece.start + (piece.end - piece.start) * place / piece.columns for place in (first, at))
        yield Piece(part, at - first, piece.gap and first == 0, start, end)


def _cut(found: Sequence[Piece], limits: Limits, indent: int) -> Iterator[Sequence[Piece]]:
    """The cheapest way to cut one segment into cues, each of which fits. indent: columns before each."""
    count = len(found)
    cheapest = [0.0] + [float("inf")] * count
    come_from = [0] * (count + 1)
    for first in range(count):
        lines, used, columns, pauses = 1, indent, 0, 0.0
        for last in range(first, count):
            piece = found[last]
            if last > first:
                pauses += max(0.0, piece.start - found[last - 1].end - PAUSE)
                if used + piece.gap + piece.columns > limits.line:
                    lines, used = lines + 1, 0
                if lines > limits.lines:
                    break
            used += (piece.gap and used > (indent if lines == 1 else 0)) + piece.columns
            columns += (piece.gap and last > first) + piece.columns
            cost = cheapest[first] + _cost(columns, piece.end - found[first].start, pauses, limits)
            if last + 1 < count:
                cost += _seam(piece, found[last + 1])
            if cost < cheapest[last + 1]:
                cheapest[last + 1], come_from[last + 1] = cost, first
    cuts = [count]
    while cuts[-1]:
        cuts.append(come_from[cuts[-1]])
    for first, last in pairwise(reversed(cuts)):
        yield found[first:last]


def _cost(columns: int, seconds: float, pauses: float, limits: Limits) -> float:
    """How ill a cue reads: it is one more to read, best about as long as the others."""
    return (
        1.0
        + 0.3 * (columns / (limits.line * limits.lines)) ** 2
        + 1.5 * max(0.0, 1 - 3 * columns / limits.line)
        + 0.4 * max(0.0, seconds - limits.seconds)
        + 0.5 * pauses
    )


def _seam(piece: Piece, following: Piece) -> float:
    """How ill a break reads: best where the speaker makes one."""
    if piece.text[-1] in SENTENCE:
        return 0.0
    if piece.text[-1] in CLAUSE or following.start - piece.end > PAUSE / 2:
        return 0.2
    return 0.5


def _wrapped(cue: Sequence[Piece], line: int, indent: int) -> list[str]:
    """As few lines as hold it, of about one length, broken after punctuation rather than elsewhere.

    indent: columns that stand before the first.
    """
    ends = [0, *accumulate(piece.gap + piece.columns for piece in cue)]

    def columns(first: int, last: int) -> int:
        return ends[last] - ends[first] - cue[first].gap + (0 if first else indent)

    lines, begin = 1, 0
    for last in range(1, len(cue) + 1):
        if last > begin + 1 and columns(begin, last) > line:
            lines, begin = lines + 1, last - 1
    even = columns(0, len(cue)) / lines

    @cache
    def best(first: int, left: int) -> tuple[float, tuple[int, ...]]:
        """Cost and cuts of what begins at `first`, in `left` lines."""
        options: list[tuple[float, tuple[int, ...]]] = [(float("inf"), ())]
        for last in range(first + 1, len(cue) + 1):
            wide = columns(first, last)
            if last > first + 1 and wide > line:
                break
            if (last == len(cue)) != (left == 1):
                continue
            rest, cuts = best(last, left - 1) if left > 1 else (0.0, ())
            seam = _seam(cue[last - 1], cue[last]) if last < len(cue) else 0.0
            options.append((((wide - even) / line) ** 2 + 0.3 * seam + rest, (last, *cuts)))
        return min(options)

    return [_text(cue[first:last]) for first, last in pairwise((0, *best(0, lines)[1]))]


def _text(line: Sequence[Piece]) -> str:
    return "".join(" " * (piece.gap and index > 0) + piece.text for index, piece in enumerate(line))
