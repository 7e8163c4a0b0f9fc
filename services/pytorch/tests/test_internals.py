"""What is used of transformers without its promise is there, and does what it did.

Where one of these fails after an update, stt_pytorch/internals.py is what to change.
"""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from transformers import DynamicCache, EncoderDecoderCache, WhisperConfig, WhisperForConditionalGeneration

from stt_pytorch import internals

VERSION = f"transformers {metadata.version('transformers')}"
WIDTH, HEADS, LAYERS, FRAMES = 16, 2, 2, 3000


@pytest.fixture(scope="module")
def model() -> WhisperForConditionalGeneration:
    """A model with a few random weights."""
    torch.manual_seed(1)
    config = WhisperConfig(
        vocab_size=40,
        num_mel_bins=8,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    made = WhisperForConditionalGeneration(config).eval()
    assert isinstance(made, WhisperForConditionalGeneration)
    return made


def test_its_version_is_bound_to_what_was_tried() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    (bound,) = [one for one in map(Requirement, project["dependencies"]) if one.name == "transformers"]
    installed = metadata.version("transformers")
    assert installed in bound.specifier
    major, minor = map(int, installed.split(".")[:2])
    assert f"{major}.{minor + 1}" not in bound.specifier


@torch.inference_mode()
def test_the_encoders_own_steps(model: WhisperForConditionalGeneration) -> None:
    features = torch.randn(2, 8, FRAMES)
    wanted = model.model.encoder(features).last_hidden_state
    torch.testing.assert_close(
        internals.encoded(model, features), wanted, msg=f"{VERSION} has other steps in WhisperEncoder.forward"
    )
    assert internals.encoded(model, features[..., :200]).shape == (2, 100, WIDTH)


@torch.inference_mode()
def test_the_decoder_with_a_cache_and_without(model: WhisperForConditionalGeneration) -> None:
    encoded, tokens = torch.randn(2, 50, WIDTH), torch.tensor([[3, 5, 6, 7], [3, 8, 9, 4]])
    whole = internals.decoded(model, tokens, encoded)
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    first = internals.decoded(model, tokens[:, :3], encoded, cache)
    torch.testing.assert_close(first, whole[:, :3], msg=f"{VERSION} caches otherwise")
    internals.repeated(cache, 3)
    more, sound = tokens[:, 3:].repeat_interleave(3, 0), internals.shared(encoded, 3)
    last = internals.decoded(model, more, sound, cache)[:, -1]
    torch.testing.assert_close(
        last, whole[:, -1].repeat_interleave(3, 0), msg=f"{VERSION} keeps keys and values otherwise"
    )
    single = torch.randn(1, 50, WIDTH)
    assert internals.shared(single, 3).untyped_storage().data_ptr() == single.untyped_storage().data_ptr()


@torch.inference_mode()
def test_the_attention_to_the_sound(model: WhisperForConditionalGeneration) -> None:
    queries: list[torch.Tensor] = []
    keys: list[torch.Tensor] = []
    hooks = internals.when_attending(model, 1, queries.append, keys.append)
    encoded, tokens = torch.randn(1, 50, WIDTH), torch.tensor([[3, 5, 6, 7]])
    internals.decoded(model, tokens, encoded)
    for hook in hooks:
        hook.remove()
    internals.decoded(model, tokens, encoded)
    assert [one.shape for one in queries] == [(1, 4, WIDTH)], f"{VERSION} has no `encoder_attn.q_proj`"
    assert [one.shape for one in keys] == [(1, 50, WIDTH)], f"{VERSION} has no `encoder_attn.k_proj`"
    assert internals.attention_scaling(model) == pytest.approx((WIDTH / HEADS) ** -0.5), (
        f"{VERSION} scales its queries otherwise"
    )


@torch.inference_mode()
def test_the_vocabulary(model: WhisperForConditionalGeneration) -> None:
    states = torch.randn(3, WIDTH)
    torch.testing.assert_close(states @ internals.vocabulary(model).T, model.proj_out(states))


def test_words_of_tokens() -> None:
    class Tokenizer:
        """Each token is its letters."""

        eos_token_id = 9

        def decode(self, tokens: list[int], **_: object) -> str:
            return "".join({1: " hel", 2: "lo", 3: ",", 4: " you"}[token] for token in tokens)

    assert internals.words(Tokenizer(), [1, 2, 3, 4], "english") == [[1, 2], [3], [4]], (
        f"{VERSION} parts words otherwise in _combine_tokens_into_words"
    )
