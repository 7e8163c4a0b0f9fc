"""From times in a window back to times in the file. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Segment, Span, WindowResult, Word


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
    # A word lies in one span whole: in the one that holds its middle.
    _, span = _locate(round((word.start + word.end) / 2 * SAMPLE_RATE), spans, ends=False)
    before = sum(other.length for other in spans[: spans.index(span)])
    start, end = (
        min(max(round(time * SAMPLE_RATE) - before + span.start, span.start), span.end) / SAMPLE_RATE
        for time in (word.start, word.end)
    )
    return replace(word, start=start, end=end)


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
