"""Text from encoded windows, token by token.

transformers' own `generate` tells the mean log probability only from the scores of every step, 400 MB for
eight windows; here they are summed as they come. Greedy, as transformers: each branch of a beam would hold
the keys and values of the encoded window anew, for medium 300 MB of float32.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    WhisperForConditionalGeneration,
)

Rules = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The scores of the next tokens, without what may not follow the tokens so far; one of each row."""


CIRCLE, PERIOD, LOOK = 48, 16, 8
"""A text whose last CIRCLE tokens repeat what is at most PERIOD tokens long goes on so to its limit, as that
of a clip in a wrong language does: 224 tokens for 4 s. It is looked for every LOOK tokens."""


@dataclass(frozen=True, slots=True)
class Generated:
    """tokens: what was said, without the end token. logprob: the natural logarithm of its probability.

    first: scores of every token at the position of `mark`, before any rule; shape (vocabulary,).
    circles: it was ended because it said the same again and again.
    """

    tokens: tuple[int, ...]
    logprob: float
    first: torch.Tensor
    circles: bool = False

    @property
    def avg_logprob(self) -> float:
        """Of a token; the end token counts too, as OpenAI has it."""
        return self.logprob / (len(self.tokens) + 1)


def generate(
    model: WhisperForConditionalGeneration,
    encoded: torch.Tensor,
    begin: Sequence[Sequence[int]],
    rules: Rules,
    *,
    mark: int,
    end: int,
    limit: int,
    temperature: float,
) -> list[Generated]:
    """A text for each row of `encoded`, shape (rows, positions, width).

    begin: the tokens before each text, all of one length. mark: the place in them whose scores are wanted.
    end: the token that ends a text. limit: of its tokens. temperature: 0 for the likeliest token, else they
    are drawn. Call it in inference mode.
    """
    tokens = torch.tensor(begin, device=encoded.device)
    length = tokens.shape[1]
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    logprob = torch.zeros(len(begin), device=encoded.device)
    going = torch.ones(len(begin), dtype=torch.bool, device=encoded.device)
    fed = tokens
    first = None
    circling = torch.zeros_like(going)
    for step in range(1, limit + 1):
        states = model.model.decoder(
            input_ids=fed, encoder_hidden_states=encoded, past_key_values=cache, use_cache=True
        ).last_hidden_state
        if first is None:
            first = model.proj_out(states[:, mark]).float()
        scores = rules(tokens, model.proj_out(states[:, -1]).float())
        likely = scores.log_softmax(-1)
        if temperature > 0:
            chosen = torch.multinomial((scores / temperature).softmax(-1), 1)[:, 0]
        else:
            chosen = likely.argmax(-1)
        chosen = torch.where(going, chosen, end)
        logprob += torch.where(going, likely.gather(1, chosen[:, None])[:, 0], 0)
        going &= chosen != end
        if not going.any():
            break
        fed = chosen[:, None]
        tokens = torch.cat([tokens, fed], 1)
        if step >= CIRCLE + PERIOD and step % LOOK == 0:
            circling |= going & circles(tokens)
            going &= ~circling
            if not going.any():
                break
    assert first is not None
    return [
        Generated(tuple(token for token in row if token != end), float(sum_), scores_, bool(round_))
        for row, sum_, scores_, round_ in zip(
            tokens[:, length:].tolist(), logprob, first, circling, strict=True
        )
    ]


def circles(tokens: torch.Tensor) -> torch.Tensor:
    """Which rows say the same again and again; `tokens` has at least CIRCLE + PERIOD in each."""
    last = tokens[:, -CIRCLE:]
    width = tokens.shape[1]
    shifts = range(1, PERIOD + 1)
    before = torch.stack([tokens[:, width - CIRCLE - shift : width - shift] for shift in shifts])
    return (before == last).all(-1).any(0)
