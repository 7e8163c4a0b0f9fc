"""Where tokens are said, and how likely each is: by one pass over a text that is known."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import WhisperForConditionalGeneration

from stt_pytorch.attention import POSITION_SECONDS, Heads, starts, watched
from stt_pytorch.internals import decoded
from stt_whisper.model import Aligned


@torch.inference_mode()
def aligned(
    model: WhisperForConditionalGeneration,
    encoded: torch.Tensor,
    begin: Sequence[int],
    end: int,
    texts: Sequence[Sequence[int]],
    durations: Sequence[float],
    heads: Heads,
) -> list[Aligned]:
    """Of each text, by cross-attention.

    begin: the tokens before the text. end: the one after it; those before it in the vocabulary are text.
    durations: seconds of each row of `encoded`.
    """
    rows = [[*begin, *text, end] for text in texts]
    longest = max(map(len, rows))
    # Shorter ones are filled up behind, where none looks.
    tokens = torch.tensor([[*row, *[end] * (longest - len(row))] for row in rows], device=encoded.device)
    with watched(model, heads) as attention:
        states = decoded(model, tokens, encoded)
    first = len(begin) - 1  # its state tells the first token of the text
    found = []
    for row, (text, duration) in enumerate(zip(texts, durations, strict=True)):
        positions = max(1, round(duration / POSITION_SECONDS))
        weights = attention.weights(row, positions)[:, : len(begin) + len(text) + 1]
        likely = _probabilities(model, states[row, first : first + len(text)], text, end)
        found.append(Aligned([float(time) for time in starts(weights, first)], likely))
    return found


def _probabilities(model: Any, states: torch.Tensor, text: Sequence[int], end: int) -> list[float]:
    """Of each token, among those of text; states of shape (tokens, width)."""
    scores = model.proj_out(states)[:, :end].float()
    chosen = torch.tensor(list(text), device=scores.device)
    found: list[float] = scores.softmax(-1).gather(1, chosen[:, None])[:, 0].tolist()
    return found
