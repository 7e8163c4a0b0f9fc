"""Which decodings are to be trusted."""

from dataclasses import replace
from itertools import pairwise

import pytest

from stt_whisper.decoding import TEMPERATURES, Decoding, best, temperature


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
