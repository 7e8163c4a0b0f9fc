"""Where each token was spoken: by the decoder's attention to the sound. Pure but for the hooks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperForConditionalGeneration

from stt_pytorch.internals import attention_scaling, when_attending

SMOOTHING = 7
"""Positions of the median filter over time; OpenAI's value."""
POSITION_SECONDS = 0.02
"""Of sound, in one of the encoder's positions."""

Heads = Sequence[tuple[int, int]]
"""(layer, head) of those that follow the speech; each model's generation_config.json names its own."""


class Attention:
    """What some heads of the decoder attended to in one pass without a cache."""

    def __init__(self, heads: Heads, scaling: float) -> None:
        self._heads = heads
        self._scaling = scaling
        self.queries: dict[int, torch.Tensor] = {}
        self.keys: dict[int, torch.Tensor] = {}

    def weights(self, row: int, positions: int) -> torch.Tensor:
        """Of one row over its first positions of sound, shape (heads, tokens, positions); float32."""
        found = []
        for layer, head in self._heads:
            query, key = self._of(self.queries[layer], row, head), self._of(self.keys[layer], row, head)
            found.append((query * self._scaling @ key[:positions].T).softmax(-1))
        return torch.stack(found)

    def _of(self, values: torch.Tensor, row: int, head: int) -> torch.Tensor:
        size = round(self._scaling**-2)
        return values[row, :, head * size : (head + 1) * size].float()


@contextmanager
def watched(model: WhisperForConditionalGeneration, heads: Heads) -> Iterator[Attention]:
    """The attention of the decoder's next pass. Only the heads that matter are reckoned anew, so that the
    pass itself may use PyTorch's fused attention, which tells of none."""
    seen = Attention(heads, attention_scaling(model))
    hooks = []
    for layer in {layer for layer, _ in heads}:
        query, key = partial(seen.queries.__setitem__, layer), partial(seen.keys.__setitem__, layer)
        hooks += when_attending(model, layer, query, key)
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def starts(weights: torch.Tensor, first: int) -> NDArray[np.float64]:
    """The second at which what each token calls for begins, from the one at `first` to the last but one.

    weights: shape (heads, tokens, positions).

    As openai-whisper has it: each head's weights made comparable over the tokens, smoothed over time, and the
    cheapest way through their mean.
    """
    deviation, mean = torch.std_mean(weights, dim=1, keepdim=True, correction=0)
    weights = smoothed((weights - mean) / deviation.clamp_min(1e-9))
    costs = -weights.mean(0)[first:-1].double().cpu().numpy()
    return np.float64(POSITION_SECONDS) * cheapest(costs)


def smoothed(weights: torch.Tensor) -> torch.Tensor:
    """The median of SMOOTHING positions around each."""
    side = SMOOTHING // 2
    if weights.shape[-1] <= side:
        return weights
    padded = torch.nn.functional.pad(weights, (side, side), mode="reflect")
    return padded.unfold(-1, SMOOTHING, 1).median(-1).values


def cheapest(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Dynamic time warping: the first column of each row on the cheapest way through, shape (rows,).

    The way goes from the first cell to the last, by a row, a column or both at a time. Cells of one
    anti-diagonal depend on earlier ones alone, so it is reckoned a diagonal at a time.
    """
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        before = np.minimum(total[row - 1, column - 1], np.minimum(total[row - 1, column], total[row, column - 1]))
        total[row, column] = costs[row - 1, column - 1] + before
    first = np.zeros(rows, np.int64)
    row, column = rows, columns
    while row > 0:
        first[row - 1] = column - 1
        steps = (total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
        step = int(np.argmin(steps))
        row -= step != 2
        column -= step != 1
    return first
