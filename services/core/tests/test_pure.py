"""The pure middle: batches, spans, times, languages."""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stt_core import languages
from stt_core.audio import SAMPLE_RATE
from stt_core.audio.vad import FRAME
from stt_core.engine.protocol import Segment, Span, VadOptions, WindowResult, Word
from stt_core.scheduling.batch import FULL, SMALL, WAIT, Queue, choose, passes
from stt_core.scheduling.timeline import restored
from stt_core.scheduling.windows import AFTER, BEFORE, LIMIT, MIN_FRAMES, SHORT, Segmenter

queues = st.lists(
    st.builds(
        Queue,
        st.lists(st.sampled_from("ab"), max_size=12),
        ending=st.booleans(),
        long=st.booleans(),
        alone=st.integers(0, 6),
        live=st.booleans(),
    ),
    max_size=12,
)


@given(queues, st.floats(0.01, 9))
def test_a_batch_is_of_one_group_in_order_and_fair(waiting: list[Queue[str]], seconds: float) -> None:
    chosen = choose(waiting, lambda item: item, lambda _: seconds)
    busy = [index for index, queue in enumerate(waiting) if queue.items]
    assert bool(chosen) == bool(busy)
    if not busy:
        return
    group = waiting[busy[0]].items[0]
    assert {item for _, item in chosen} == {group}
    assert busy[0] in {index for index, _ in chosen}
    assert len(chosen) <= FULL
    if len({waiting[index].long for index in busy}) > 1:
        assert len(chosen) == 1 or len(chosen) * seconds <= WAIT
    # Each takes a prefix of its queue, and nobody a second window before everybody has one.
    same = [index for index in busy if waiting[index].items[0] == group]
    taken = [sum(index == place for place, _ in chosen) for index in same]
    for index, count in zip(same, taken, strict=True):
        assert all(item == group for item in waiting[index].items[:count])
    assert max(taken) <= 1 or min(taken) >= 1


def windows_of(*queues: Queue[str], seconds: float = 2.0) -> list[int]:
    """How many windows each queue has in the next forward."""
    chosen = choose(queues, lambda item: item, lambda _: seconds)
    return [sum(index == place for place, _ in chosen) for index in range(len(queues))]


LONG = Queue("a" * 20, ending=False, long=True)
CLIP = Queue("a")


def test_a_lone_request_ramps_unless_it_is_short() -> None:
    assert [windows_of(replace(LONG, alone=alone)) for alone in range(5)] == [[1], [2], [4], [8], [8]]
    assert windows_of(replace(LONG, live=False)) == [FULL]
    assert windows_of(Queue("a" * SMALL)) == [SMALL]


def test_a_forward_is_short_while_a_long_file_shares_the_engine() -> None:
    assert windows_of(LONG, CLIP) == windows_of(CLIP, LONG)[::-1] == [1, 1]
    assert windows_of(LONG, LONG, CLIP) == [1, 0, 1]  # the clip does not wait for another turn
    assert windows_of(LONG, CLIP, seconds=0.1) == [FULL - 1, 1]  # a quick machine fills the batch
    assert windows_of(LONG, CLIP, seconds=60) == [1, 0]


def test_a_clip_passes_what_it_would_wait_long_for() -> None:
    assert passes(own=2.0, running=15.0, long=True)
    assert not passes(own=2.0, running=15.0, long=False)  # its like: together they are done sooner
    assert passes(own=0.4, running=15.0, long=False)
    assert not passes(own=0.4, running=WAIT, long=False)


def test_equal_requests_fill_the_batch() -> None:
    assert windows_of(*[CLIP] * 9) == [1] * FULL + [0]
    assert windows_of(LONG, LONG) == [4, 4]


probabilities = st.lists(
    st.tuples(st.sampled_from([0.01, 0.2, 0.4, 0.9]), st.integers(1, 700)).map(lambda run: [run[0]] * run[1]),
    max_size=12,
).map(lambda runs: [value for run in runs for value in run])


vads = st.builds(VadOptions, st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.floats(0, 10), st.floats(0, 10))


@given(probabilities, st.integers(1, 50), st.just(VadOptions()) | vads)
@example([0.2] * 700 + [0.01] * 400, 1, VadOptions(0.1, 8.0, 0.0))
@example([0.2] * 219 + [0.0] * 170 + [0.2] * 20, 1, VadOptions(0.1, 5.0, 10.0))  # the margin reaches back behind a cut
def test_spans_hold_all_speech_in_order_and_fit(heard: list[float], step: int, vad: VadOptions) -> None:
    segmenter, total = Segmenter(vad), len(heard) * FRAME
    spans: list[Span] = []
    for first in range(0, len(heard), step):
        keep = segmenter.keep_from
        found = list(segmenter.push(heard[first : first + step]))
        assert all(span.start >= keep for span in found)
        # What a window is told of the other side of a cut is still there, and is there already.
        assert all(keep <= max(0, span.start - BEFORE) for span in found if not span.begun)
        told = (first + step) * FRAME
        assert all(span.end + AFTER <= told for span in found if not span.ended)
        spans += found
    spans += list(segmenter.end(total))
    assert all(0 <= span.start < span.end <= total and span.length <= LIMIT for span in spans)
    assert all(one.end <= two.start for one, two in pairwise(spans))
    assert all(two.begun or (one.end == two.start and not one.ended) for one, two in pairwise(spans))
    voiced = [frame for frame, probability in enumerate(heard) if probability >= vad.threshold]
    near = SHORT // FRAME
    for frame in voiced:
        if bisect_right(voiced, frame + near) - bisect_left(voiced, frame - near) > 2 * MIN_FRAMES:
            assert any(span.start <= frame * FRAME and (frame + 1) * FRAME <= span.end for span in spans)


def test_silence_is_no_span_and_a_pause_parts_spans() -> None:
    segmenter = Segmenter(VadOptions())
    assert [*segmenter.push([0.1] * 1000), *segmenter.end(1000 * FRAME)] == []
    for pause, parted in ((SHORT // FRAME - 1, False), (SHORT // FRAME + 2, True)):
        segmenter = Segmenter(VadOptions())
        heard = [0.9] * 50 + [0.0] * pause + [0.9] * 50
        one, two = [*segmenter.push(heard), *segmenter.end(len(heard) * FRAME)]
        assert (one.end < two.start) == parted


def test_a_lone_crack_is_no_speech() -> None:
    def spans(*cracks: int) -> int:
        heard = [0.9 if frame in cracks else 0.0 for frame in range(1000)]
        segmenter = Segmenter(VadOptions())
        return len([*segmenter.push(heard), *segmenter.end(len(heard) * FRAME)])

    assert spans(500) == spans(500, 501) == spans(100, 500) == 0
    assert spans(500, 501, 502) == 1
    assert spans(500, 530) == 2


def test_what_was_asked_of_the_voice_detector_is_done() -> None:
    heard = [0.3] * 40 + [0.0] * 100 + [0.9] * 40 + [0.0] * 100

    def spans(vad: VadOptions) -> list[Span]:
        segmenter = Segmenter(vad)
        return [*segmenter.push(heard), *segmenter.end(len(heard) * FRAME)]

    (late,) = spans(VadOptions())
    assert len(spans(VadOptions(threshold=0.2))) == 2
    (patient,) = spans(VadOptions(threshold=0.2, silence=3.5))
    assert patient.start == 0 and patient.end > late.end - SAMPLE_RATE
    (wide,) = spans(VadOptions(padding=1.5))
    assert (late.start - wide.start, wide.end - late.end) == (1.1 * SAMPLE_RATE, 1.1 * SAMPLE_RATE)


spans_of_a_file = st.lists(
    st.tuples(st.integers(0, 5 * SAMPLE_RATE), st.integers(FRAME, 5 * SAMPLE_RATE)), min_size=1, max_size=6
)
times = st.floats(0, 31)


@given(spans_of_a_file, st.lists(st.tuples(times, times, st.lists(st.tuples(times, times))), max_size=5))
def test_times_come_back_monotone_and_inside(
    gaps: list[tuple[int, int]], raw: list[tuple[float, float, list[tuple[float, float]]]]
) -> None:
    spans, at = [], 0
    for gap, length in gaps:
        spans.append(Span(at + gap, at + gap + length))
        at += gap + length
    segments = tuple(
        Segment(start, end, "x", words=tuple(Word("x", *word, 1.0) for word in words)) for start, end, words in raw
    )
    found = restored(WindowResult("en", segments), spans).segments
    ordered = [time for segment in found for time in (segment.start, segment.end)]
    assert ordered == sorted(ordered)
    assert all(spans[0].start / SAMPLE_RATE <= time <= spans[-1].end / SAMPLE_RATE for time in ordered)
    for segment in found:
        inner = [segment.start, *(t for word in segment.words for t in (word.start, word.end)), segment.end]
        assert inner == sorted(inner)


def test_times_skip_the_silence_that_was_left_out() -> None:
    spans = [Span(16_000, 32_000), Span(160_000, 176_000)]
    words = (Word(" one", 0.5, 1.0, 1.0), Word(" two", 1.0, 1.5, 1.0))
    (segment,) = restored(WindowResult("en", (Segment(0.5, 1.5, " one two", words=words),)), spans).segments
    assert [(word.start, word.end) for word in segment.words] == [(1.5, 2.0), (10.0, 10.5)]
    assert (segment.start, segment.end, segment.seek) == (1.5, 10.5, 100)
    (segment,) = restored(WindowResult("en", (Segment(0.0, 1.0, " one"),)), spans).segments
    assert (segment.start, segment.end) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "code"),
    [("en", "en"), ("French", "fr"), (" DE ", "de"), ("pt-BR", "pt"), ("haitian creole", "ht"), ("x", None)],
)
def test_languages(text: str, code: str | None) -> None:
    assert languages.code(text) == code
