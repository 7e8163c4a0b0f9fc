"""Reading Whisper's tokens."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_faster_whisper.decoding import TEMPERATURES, Decoding, best, slices, temperature

BEGIN = 1000


def mark(seconds: float) -> int:
    return BEGIN + round(seconds / 0.02)


@pytest.mark.parametrize(
    ("tokens", "times", "unread"),
    [
        ([], [], None),
        ([1, 2], [(0.0, 9.0)], None),
        ([mark(0), 1, 2, mark(4)], [(0.0, 4.0)], None),
        ([mark(0), 1, mark(2), mark(3), 2, mark(5)], [(0.0, 2.0), (3.0, 5.0)], None),
        ([mark(0), 1, mark(2), mark(3)], [(0.0, 2.0)], 3.0),
        ([mark(0), 1, mark(2), mark(3), 2], [(0.0, 2.0)], 3.0),
        ([mark(0), 1, mark(8), mark(8.5), 2], [(0.0, 8.0), (8.5, 9.0)], None),
        ([mark(0), 1, mark(8), mark(8.5)], [(0.0, 8.0)], None),
        ([mark(0), mark(0)], [(0.0, 0.0)], None),
        ([mark(0), 1, mark(20)], [(0.0, 9.0)], None),
    ],
)
def test_slices(tokens: list[int], times: list[tuple[float, float]], unread: float | None) -> None:
    found, left = slices(tokens, BEGIN, 9.0)
    assert [(round(one.start, 2), round(one.end, 2)) for one in found] == times
    assert left == unread


tokens = st.lists(st.one_of(st.integers(0, BEGIN - 1), st.integers(BEGIN, BEGIN + 1500)), max_size=40)


@given(tokens, st.floats(0.1, 30))
def test_nothing_is_invented_and_a_rest_moves_on(given_tokens: list[int], duration: float) -> None:
    found, unread = slices(given_tokens, BEGIN, duration)
    assert [t for one in found for t in one.tokens] == given_tokens[: sum(len(one.tokens) for one in found)]
    assert all(0 <= one.start <= one.end <= duration for one in found)
    if unread is None:
        kept = [t for one in found for t in one.tokens if t < BEGIN]
        assert kept == [t for t in given_tokens if t < BEGIN]
    else:
        assert 1 <= unread <= duration - 1


def decoding(text: str, logprob: float = -0.3, silence: float = 0.1) -> Decoding:
    return Decoding((), text, 0.0, logprob, silence)


def test_guards() -> None:
    loop = "and again " * 30
    assert not decoding("A sentence.").failed
    assert decoding(loop).failed
    assert decoding("Mumble.", logprob=-1.5).failed
    silent = decoding("Thanks for watching!", logprob=-1.5, silence=0.9)
    assert silent.silent and silent.hopeless and not silent.failed
    assert decoding("Mumble.", logprob=-2.5).hopeless and not decoding("Mumble.", logprob=-1.5).hopeless
    assert not decoding("Clear words.", silence=0.9).silent
    assert best([decoding(loop, -0.1), decoding("Calm.", -1.2)]).text == "Calm."
    assert best([decoding(loop, -0.5), decoding(loop, -0.1)]).avg_logprob == -0.1
    assert all(one <= two for one, two in pairwise([0.0, decoding(loop).compression_ratio]))


@pytest.mark.parametrize(
    "text", [" USB Radio USB Radio", " Hold time Hold time.", " Для справки нажмите 0. для справки нажмите 0"]
)
def test_an_echo_is_doubted_where_the_encoding_was_trimmed(text: str) -> None:
    full, trimmed = decoding(text), replace(decoding(text), full=False)
    assert full.echoes and not full.failed
    assert trimmed.failed
    assert best([trimmed, decoding("Hold time.", -1.2)]).text == "Hold time."
    assert not decoding(" Mississippi and so on and on.").echoes


def test_the_way_through_the_temperatures() -> None:
    full, trimmed = decoding("x"), replace(decoding("x"), full=False)
    assert [temperature([full] * step, None) for step in range(7)] == [*TEMPERATURES, None]
    assert temperature([trimmed], None) == 0.0 and temperature([trimmed, full], None) == 0.2
    assert [temperature(tried, 0.7) for tried in ([], [trimmed], [full])] == [0.7, 0.7, None]
