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

from stt_pytorch.internals import decoded, repeated, shared, vocabulary

Rules = Callable[[torch.Tensor, bool], torch.Tensor]
"""The scores of the next tokens, without those that may not be written: ever, or (True) as the first."""

CIRCLE, PERIOD, LOOK = 48, 16, 8
"""A text whose last CIRCLE tokens repeat what is at most PERIOD tokens long goes on so to its limit, as that
of a clip in a wrong language does: 224 tokens for 4 s. It is looked for every LOOK tokens."""


SEED = 0
"""Of each draw of candidates: any will do, so long as it is always the same."""


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
    candidates: int = 1,
) -> list[Generated]:
    """The likeliest of `candidates` texts for each row of `encoded`, shape (rows, positions, width).

    begin: the tokens before each text, all of one length. mark: the place in them whose scores are wanted.
    end: the token that ends a text. limit: of its tokens. temperature: 0 for the likeliest token, else they
    are drawn. Call it in inference mode.
    """
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    tokens = torch.tensor(begin, device=encoded.device)
    length = tokens.shape[1]
    states = decoded(model, tokens, encoded, cache)
    first = scored(model, states[:, mark])
    last = states[:, -1]
    if candidates > 1:
        tokens, last = (one.repeat_interleave(candidates, 0) for one in (tokens, last))
        repeated(cache, candidates)
        encoded = shared(encoded, candidates)
    # One machine gives one answer: what is drawn is the same for the same sound, now and later.
    chance = torch.Generator(encoded.device).manual_seed(SEED)
    logprob = torch.zeros(len(tokens), device=encoded.device)
    going = torch.ones(len(tokens), dtype=torch.bool, device=encoded.device)
    circling = torch.zeros_like(going)
    for step in range(1, limit + 1):
        scores = rules(scored(model, last), step == 1)
        likely = scores.log_softmax(-1)
        chosen = drawn(scores / temperature, chance) if temperature > 0 else likely.argmax(-1)
        chosen = torch.where(going, chosen, end)
        logprob += torch.where(going, likely.gather(1, chosen[:, None])[:, 0], 0)
        going &= chosen != end
        tokens = torch.cat([tokens, chosen[:, None]], 1)
        if step >= CIRCLE + PERIOD and step % LOOK == 0:
            circling |= going & circles(tokens)
            going &= ~circling
        going &= ~beaten(logprob, (tokens[:, length:] != end).sum(1), going, limit, candidates)
        if not going.any():
            break
        if step < limit:
            last = decoded(model, chosen[:, None], encoded, cache)[:, -1]
    generated = [
        Generated(tuple(token for token in row if token != end), float(sum_), scores_, bool(round_))
        for row, sum_, scores_, round_ in zip(
            tokens[:, length:].tolist(),
            logprob,
            first.repeat_interleave(candidates, 0),
            circling,
            strict=True,
        )
    ]
    return [
        max(generated[place : place + candidates], key=lambda one: one.avg_logprob)
        for place in range(0, len(generated), candidates)
    ]


def scored(model: WhisperForConditionalGeneration, states: torch.Tensor) -> torch.Tensor:
    """The score of each token after states of shape (rows, width), as float32.

    As a product of the vocabulary with the states, not the other way round: on two cores 6 ms where the layer
    itself takes 19, for 5 to 8 rows of base. Of a single column it is no such product: 9 ms, and 3 for two.
    """
    rows = states if len(states) > 1 else states.repeat(2, 1)
    product = vocabulary(model) @ rows.T
    return product.T[: len(states)].float().contiguous()


def drawn(scores: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """A token of each row, drawn by its scores; `torch.multinomial` takes 5 ms for 5 rows, this 1."""
    sums = scores.softmax(-1).cumsum(-1)
    # Below the sum of the row, which rounding may leave a little off 1.
    place = torch.rand(len(scores), 1, generator=chance, device=scores.device) * sums[:, -1:]
    return torch.searchsorted(sums, place, right=True)[:, 0].clamp(max=scores.shape[1] - 1)


def beaten(
    logprob: torch.Tensor, written: torch.Tensor, going: torch.Tensor, limit: int, candidates: int
) -> torch.Tensor:
    """Which rows cannot become the likeliest of their `candidates`, even if all that they still may write
    were certain: one that has ended is likelier. logprob: the sum so far; written: tokens so far; of each."""
    ended = torch.where(going, -torch.inf, logprob / (written + 1)).view(-1, candidates).amax(1)
    return logprob / (limit + 1) < ended.repeat_interleave(candidates)


def circles(tokens: torch.Tensor) -> torch.Tensor:
    """Which rows say the same again and again; `tokens` has at least CIRCLE + PERIOD in each."""
    last = tokens[:, -CIRCLE:]
    width = tokens.shape[1]
    shifts = range(1, PERIOD + 1)
    before = torch.stack([tokens[:, width - CIRCLE - shift : width - shift] for shift in shifts])
    return (before == last).all(-1).any(0)
