"""When a text is ended before its own end."""

import torch

from stt_pytorch.generation import CIRCLE, PERIOD, circles


def test_what_is_said_again_and_again_is_found_whatever_its_length() -> None:
    width = CIRCLE + PERIOD
    phrases = [torch.arange(size).repeat(width)[:width] for size in (1, 2, 5, PERIOD)]
    others = [torch.arange(PERIOD + 1).repeat(width)[:width], torch.arange(width)]
    late = torch.cat([torch.arange(width - CIRCLE) + 100, torch.zeros(CIRCLE, dtype=torch.int64)])
    rows = torch.stack([*phrases, *others, late])
    assert circles(rows).tolist() == [True] * len(phrases) + [False, False, False]
    # Where it began a little earlier, it is found.
    assert circles(torch.cat([rows[-1:], torch.zeros((1, 8), dtype=torch.int64)], 1)).tolist() == [True]
