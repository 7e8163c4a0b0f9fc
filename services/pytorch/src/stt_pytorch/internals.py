"""What is used of transformers without its promise: the inside of its Whisper, and of its caches.

It is used here and nowhere else, pyproject.toml bounds its version, and tests/test_internals.py says what an
update has broken.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import EncoderDecoderCache, WhisperForConditionalGeneration
from transformers.models.whisper.tokenization_whisper import _combine_tokens_into_words


def encoded(model: WhisperForConditionalGeneration, features: torch.Tensor) -> torch.Tensor:
    """The encoder's own steps, shape (rows, frames / 2, width); its `forward` takes nothing but 30 s.

    features: shape (rows, mel bins, frames), of at most 3000 frames.
    """
    encoder = model.model.encoder
    values = torch.nn.functional.gelu(encoder.conv1(features))
    values = torch.nn.functional.gelu(encoder.conv2(values)).transpose(1, 2)
    values = values + encoder.embed_positions.weight[: values.shape[1]]
    for layer in encoder.layers:
        (values, *_) = layer(values, None, layer_head_mask=None)
    states: torch.Tensor = encoder.layer_norm(values)
    return states


def decoded(
    model: WhisperForConditionalGeneration,
    tokens: torch.Tensor,
    encoded: torch.Tensor,
    cache: EncoderDecoderCache | None = None,
) -> torch.Tensor:
    """The decoder's states for tokens, shape (rows, tokens, width); with a cache, of those that follow it."""
    states: torch.Tensor = model.model.decoder(
        input_ids=tokens,
        encoder_hidden_states=encoded,
        past_key_values=cache,
        use_cache=cache is not None,
    ).last_hidden_state
    return states


def vocabulary(model: WhisperForConditionalGeneration) -> torch.Tensor:
    """What states are multiplied with for the score of each token, shape (tokens, width)."""
    weight: torch.Tensor = model.proj_out.weight
    return weight


def attention_scaling(model: WhisperForConditionalGeneration) -> float:
    """What queries of the attention to the sound are multiplied with: one over the root of a head's size."""
    return float(model.model.decoder.layers[0].encoder_attn.scaling)


def when_attending(
    model: WhisperForConditionalGeneration,
    layer: int,
    query: Callable[[torch.Tensor], None],
    key: Callable[[torch.Tensor], None],
) -> list[Any]:
    """Call these with the queries and keys of a decoder layer's attention to the sound, whenever they are
    computed: shape (rows, tokens, width) and (rows, positions, width). Returns handles with `remove`."""
    attention = model.model.decoder.layers[layer].encoder_attn

    def telling(tell: Callable[[torch.Tensor], None]) -> Any:
        return lambda _module, _given, output: tell(output)

    return [
        attention.q_proj.register_forward_hook(telling(query)),
        attention.k_proj.register_forward_hook(telling(key)),
    ]


def repeated(cache: EncoderDecoderCache, candidates: int) -> None:
    """Make each row of a cache `candidates` rows, that share the keys and values of their encoding."""
    cache.self_attention_cache.batch_repeat_interleave(candidates)
    for layer in cache.cross_attention_cache.layers:
        assert layer.keys is not None and layer.values is not None, "the first pass fills them"
        layer.keys, layer.values = shared(layer.keys, candidates), shared(layer.values, candidates)


def shared(values: torch.Tensor, candidates: int) -> torch.Tensor:
    """Each row `candidates` times; of a single row without a copy."""
    rows = values[:, None].expand(-1, candidates, *values.shape[1:])
    return rows.reshape(-1, *values.shape[1:])


def words(tokenizer: Any, tokens: Sequence[int], language: str) -> list[list[int]]:
    """The tokens of each word and of each mark, as OpenAI parts them. language: its English name."""
    _, parts, _ = _combine_tokens_into_words(tokenizer, list(tokens), language, "", "")
    return [list(part) for part in parts]
