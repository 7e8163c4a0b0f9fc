"""Recordings in which nobody pauses: what is said at a cut is there once, at its time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transducer import BANDS, FRAME, RATE, Said, make, recording

from stt_core.audio.vad import FRAME as VOICE_FRAME
from stt_core.engine.protocol import Options, Span, Stretch, VadOptions, Window
from stt_core.scheduling.timeline import restored
from stt_core.scheduling.windows import AFTER, BEFORE, windows
from stt_core.settings import Settings
from stt_parakeet.engine import Parakeet
from stt_parakeet.feeding import GRID, feed
from stt_parakeet.models import DEFAULT
from stt_parakeet.places import Places

VOCABULARY = tuple(f"▁{word}" for word in ("one", "two", "three", "four", "five", "six", "seven", "eight"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Parakeet:
    folder = tmp_path_factory.mktemp("model")
    make(folder, VOCABULARY)
    loaded = Parakeet(Places(Settings(model=DEFAULT), folder).of, 2)
    loaded.load(DEFAULT)
    return loaded


def cut(samples: NDArray[np.float32], probabilities: Any, vad: VadOptions) -> list[Window]:
    blocks = (samples[start : start + RATE] for start in range(0, len(samples), RATE))
    found = list(windows(blocks, probabilities, vad))
    options = Options(word_times=True)
    return [Window(one.samples, one.spans, options, before=one.before, after=one.after) for one in found]


def words(engine: Parakeet, parts: list[Window]) -> list[tuple[str, float]]:
    results = [restored(result, part.spans) for part, result in zip(parts, engine.run(parts), strict=True)]
    return [(word.text, word.start) for one in results for segment in one.segments for word in segment.words]


def talk(seconds: float, seed: int) -> Iterator[Said]:
    """Sounds one after the other, with hardly anything between them."""
    random = np.random.default_rng(seed)
    at, before = 0.4, -1
    while at < seconds - 1:
        sound = int(random.choice([number for number in range(len(BANDS)) if number != before]))
        length = float(random.uniform(0.2, 0.4))
        yield Said(sound, at, at + length)
        at, before = at + length + float(random.uniform(0.05, 0.25)), sound


@pytest.mark.parametrize("seed", range(6))
def test_where_nobody_pauses_each_word_is_there_once(engine: Parakeet, seed: int) -> None:
    said = list(talk(100, seed))
    samples = recording(100, said, seed)
    random = np.random.default_rng(seed)  # so the cuts come anywhere, in words and between them

    def probabilities(heard: NDArray[np.float32]) -> list[float]:
        return [float(one) for one in random.uniform(0.6, 1.0, len(heard) // VOICE_FRAME)]

    parts = cut(samples, probabilities, VadOptions())
    assert len(parts) >= 4 and all(len(part.before) for part in parts[1:])
    found = words(engine, parts)
    assert [text for text, _ in found] == [f" {VOCABULARY[one.sound][1:]}" for one in said]
    for (_, start), one in zip(found, said, strict=True):
        assert start == pytest.approx(one.start, abs=FRAME + 0.02)


@given(st.integers(0, 10 * RATE), st.lists(st.integers(1, 3 * RATE), min_size=1, max_size=4), st.data())
def test_what_is_heard_of_a_cut_window_lies_on_the_files_grid(
    start: int, lengths: list[int], data: st.DataObject
) -> None:
    spans, at = [], start
    for number, length in enumerate(lengths):
        begun, ended = number > 0, number < len(lengths) - 1
        spans.append(Stretch(at, at + length, Span(at, at + length), begun=begun, ended=ended))
        at += length + data.draw(st.integers(0, RATE))
    samples = np.arange(sum(lengths), dtype=np.float32) + 1
    before = np.zeros(min(start, BEFORE), np.float32)
    window = Window(samples, tuple(spans), Options(), before=before, after=np.zeros(AFTER, np.float32))
    fed = feed(window)
    for part, span in zip(fed.parts, spans, strict=True):
        assert part.heard % GRID == span.start % GRID
        own = fed.samples[part.heard : part.heard + part.length]
        assert np.array_equal(own, samples[part.window : part.window + part.length])
    assert len(fed.samples) <= len(samples) + BEFORE + AFTER + GRID * len(spans)


def test_a_window_between_pauses_is_heard_as_it_is() -> None:
    samples = np.ones(RATE, np.float32)
    window = Window(samples, (Stretch(5, RATE + 5, Span(5, RATE + 5)),), Options())
    assert feed(window).samples is samples


def test_of_a_model_that_tells_no_times_only_the_window_itself_is_heard() -> None:
    span = Stretch(5, RATE + 5, Span(5, RATE + 5), begun=False, ended=False)
    window = Window(np.ones(RATE, np.float32), (span,), Options(), before=np.ones(9), after=np.ones(9))
    assert feed(window, timed=False).samples is window.samples
