"""A folder as openai/whisper-* is on the hub, from a CTranslate2 one of the same model.

The weights are the same, in half precision; transformers reads them in any.
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import WhisperConfig, WhisperForConditionalGeneration

from stt_core.engine.modeldir import RECORD

TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""By CTranslate2's numbers for them."""
PAIRS = {
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
    "ffn/layer_norm": ("final_layer_norm",),
}
"""Modules of a layer, by CTranslate2's name; what it joins is split."""
WHOLE = {
    "encoder/conv1": "model.encoder.conv1",
    "encoder/conv2": "model.encoder.conv2",
    "encoder/layer_norm": "model.encoder.layer_norm",
    "decoder/layer_norm": "model.decoder.layer_norm",
}
PARAMETERS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}

Arrays = dict[str, NDArray[Any]]


def converted(source: Path, target: Path) -> None:
    """Write the files of a model, and the kit's record of them, into `target`."""
    arrays = _arrays(source / "model.bin")
    known = json.loads((source / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    target.mkdir()
    (target / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    save_file(dict(_named(arrays)), target / "model.safetensors", {"format": "pt"})
    _write(target / "config.json", _config(arrays, tokenizer))
    _write(target / "generation_config.json", _generation(known, tokenizer))
    _write(target / "tokenizer_config.json", {"tokenizer_class": "WhisperTokenizer", **_specials()})
    features = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 80, "n_fft": 400}
    _write(target / "preprocessor_config.json", features)
    record(target)


def record(folder: Path) -> None:
    """The record of what a deploy has put there."""
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
        if path.name != RECORD
    }
    _write(folder / RECORD, {"files": files})


def _arrays(path: Path) -> Arrays:
    """The variables of a CTranslate2 model file."""
    found: Arrays = {}
    with path.open("rb") as file:
        _number(file, "I"), _text(file), _number(file, "I")  # versions, and the name of its kind
        for _ in range(_number(file, "I")):
            name = _text(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind = TYPES[_number(file, "B")]
            found[name] = np.frombuffer(file.read(_number(file, "I")), kind).reshape(shape)
    return found


def _number(file: BinaryIO, code: str) -> int:
    (value,) = struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _named(arrays: Arrays) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors by transformers' names."""
    yield "model.encoder.embed_positions.weight", _tensor(arrays["encoder/position_encodings/encodings"])
    yield "model.decoder.embed_positions.weight", _tensor(arrays["decoder/position_encodings/encodings"])
    yield "model.decoder.embed_tokens.weight", _tensor(arrays["decoder/embeddings/weight"])
    for name, array in arrays.items():
        module, _, parameter = name.rpartition("/")
        if parameter not in PARAMETERS:
            continue
        if module in WHOLE:
            yield f"{WHOLE[module]}.{PARAMETERS[parameter]}", _tensor(array)
        elif "/layer_" in module:
            side, layer, rest = module.split("/", 2)
            into = PAIRS[rest]
            for part, value in zip(into, np.split(array, len(into)), strict=True):
                own = f"{part}.{PARAMETERS[parameter]}"
                if not own.endswith("k_proj.bias"):  # Whisper has none
                    yield f"model.{side}.layers.{layer.removeprefix('layer_')}.{own}", _tensor(value)


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float16))


def _config(arrays: Arrays, tokenizer: Tokenizer) -> dict[str, Any]:
    vocabulary, width = arrays["decoder/embeddings/weight"].shape
    layers = {side: sum(f"{side}/layer_{n}/ffn/linear_0/weight" in arrays for n in range(99)) for side in SIDES}
    heads = {side: int(arrays[f"{side}/num_heads"]) for side in SIDES}
    end = tokenizer.token_to_id("<|endoftext|>")
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "vocab_size": vocabulary,
        "d_model": width,
        "num_mel_bins": arrays["encoder/conv1/weight"].shape[1],
        "encoder_layers": layers["encoder"],
        "decoder_layers": layers["decoder"],
        "encoder_attention_heads": heads["encoder"],
        "decoder_attention_heads": heads["decoder"],
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "decoder_start_token_id": tokenizer.token_to_id("<|startoftranscript|>"),
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
    }


SIDES = ("encoder", "decoder")


def _generation(known: dict[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    tokens = {name: tokenizer.token_to_id(f"<|{name}|>") for name in ("transcribe", "translate")}
    end = tokenizer.token_to_id("<|endoftext|>")
    return {
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "is_multilingual": True,
        "lang_to_id": {tokenizer.id_to_token(number): number for number in known["lang_ids"]},
        "task_to_id": tokens,
        "no_timestamps_token_id": tokenizer.token_to_id("<|notimestamps|>"),
        "decoder_start_token_id": tokenizer.token_to_id("<|startoftranscript|>"),
        "suppress_tokens": known["suppress_ids"],
        "begin_suppress_tokens": known["suppress_ids_begin"],
        "alignment_heads": known["alignment_heads"],
        "max_initial_timestamp_index": 50,
        "max_length": 448,
    }


def _specials() -> dict[str, str]:
    return dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|endoftext|>")


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


def shrunk(source: Path, target: Path) -> None:
    """A model with a few random weights, and everything else as in `source`."""
    target.mkdir()
    for path in source.glob("*.json"):
        if path.name != RECORD:
            (target / path.name).write_bytes(path.read_bytes())
    small = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    small |= dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    small |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    _write(target / "config.json", json.loads((target / "config.json").read_text()) | small)
    heads = {"alignment_heads": [[0, 0], [0, 1]]}
    settings = target / "generation_config.json"
    _write(settings, json.loads(settings.read_text()) | heads)
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(WhisperConfig.from_pretrained(target))
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "proj_out.weight"}
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    record(target)
