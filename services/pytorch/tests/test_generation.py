"""When a text is ended before its own end."""

import torch

from stt_pytorch.generation import CIRCLE, PERIOD, beaten, circles, drawn


def test_what_is_said_again_and_again_is_found_whatever_its_length() -> None:
    width = CIRCLE + PERIOD
    phrases = [torch.arange(size).repeat(width)[:width] for size in (1, 2, 5, PERIOD)]
    others = [torch.arange(PERIOD + 1).repeat(width)[:width], torch.arange(width)]
    late = torch.cat([torch.arange(width - CIRCLE) + 100, torch.zeros(CIRCLE, dtype=torch.int64)])
    rows = torch.stack([*phrases, *others, late])
    assert circles(rows).tolist() == [True] * len(phrases) + [False, False, False]
    # Where it began a little earlier, it is found.
    assert circles(torch.cat([rows[-1:], torch.zeros((1, 8), dtype=torch.int64)], 1)).tolist() == [True]


def test_what_can_no_longer_be_the_likeliest_is_ended() -> None:
    # Of three candidates the second has ended, with -0.5 a token; of the next three none has.
    logprob = torch.tensor([-30.0, -1.0, -2.0, -90.0, -1.0, -2.0])
    written = torch.tensor([4, 1, 4, 4, 1, 4])
    going = torch.tensor([True, False, True, True, True, True])
    # The first would have -30 / 21 = -1.4 even if the rest of its 20 tokens were certain, the third -0.1.
    assert beaten(logprob, written, going, 20, 3).tolist() == [True, False, False, False, False, False]


def test_tokens_are_drawn_as_often_as_their_scores_say() -> None:
    likely = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    found = drawn(likely.log().repeat(20_000, 1), torch.Generator().manual_seed(3))
    often = torch.bincount(found, minlength=6) / 20_000
    assert often[likely == 0].tolist() == [0, 0, 0]
    assert torch.allclose(often, likely, atol=0.02)
