"""From times in a window back to times in the file. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from stt_core.audio import SAMPLE_RATE
from stt_core.engine import Segment, Span, Stretch, WindowResult, Word

SOFT = SAMPLE_RATE // 10
"""Samples of speech that may come before the detector hears any: a soft consonant."""
SURE = SAMPLE_RATE // 20
"""Samples of a word that must lie in speech for it to be heard there."""


def restored(result: WindowResult, spans: Sequence[Span]) -> WindowResult:
    """The result with its times in the file.

    Segments come out in order; words are monotone and inside their segment, also where a model's own
    times are not.
    """
    seek = round(spans[0].start * 100 / SAMPLE_RATE)
    segments: list[Segment] = []
    floor = spans[0].start / SAMPLE_RATE
    for segment in result.segments:
        words = [_word(word, spans) for word in segment.words]
        start = max(floor, _time(segment.start, spans, ends=False))
        end = max(start, _time(segment.end, spans, ends=True))
        if words:
            start, end = max(floor, words[0].start), max(floor, words[-1].end)
        kept = tuple(_monotone(words, start, end))
        end = max(end, kept[-1].end) if kept else end
        segments.append(replace(segment, start=start, end=end, words=kept, seek=seek))
        floor = end
    return replace(result, segments=tuple(segments))


def _time(seconds: float, spans: Sequence[Span], *, ends: bool) -> float:
    """A time in the window as one in the file; at a seam an end belongs to the span before it."""
    at, _ = _locate(round(seconds * SAMPLE_RATE), spans, ends=ends)
    return at / SAMPLE_RATE


def _word(word: Word, spans: Sequence[Span]) -> Word:
    span = _span(word, spans)
    before = sum(other.length for other in spans[: spans.index(span)])
    start, end = (
        min(max(round(time * SAMPLE_RATE) - before + span.start, span.start), span.end)
        for time in (word.start, word.end)
    )
    if isinstance(span, Stretch) and end > span.heard.start:  # nobody begins a word in the silence before
        start = max(start, span.heard.start - SOFT)
    return replace(word, start=start / SAMPLE_RATE, end=end / SAMPLE_RATE)


def _span(word: Word, spans: Sequence[Span]) -> Span:
    """The one in which a word lies whole: that of its middle, or of its end where it is surely heard there.

    A model tells the end of a word better than its start, which it may put a second into the silence before.
    """
    _, span = _locate(round((word.start + word.end) / 2 * SAMPLE_RATE), spans, ends=False)
    end, last = _locate(round(word.end * SAMPLE_RATE), spans, ends=True)
    return last if isinstance(last, Stretch) and end - last.heard.start >= SURE else span


def _locate(sample: int, spans: Sequence[Span], *, ends: bool) -> tuple[int, Span]:
    sample = max(0, sample)
    for span in spans:
        if sample < span.length or (ends and sample == span.length):
            return span.start + sample, span
        sample -= span.length
    return spans[-1].end, spans[-1]


def _monotone(words: Sequence[Word], start: float, end: float) -> list[Word]:
    kept: list[Word] = []
    for word in words:
        first = min(max(start, word.start), max(start, end))
        last = max(first, min(word.end, end))
        kept.append(replace(word, start=first, end=last))
        start = last
    return kept
