"""openai-whisper in a warm process: `python -m bench.peers.speech.original MODEL_FOLDER THREADS`.

OpenAI's own implementation in float32, with the very weights that faster-whisper reads: a CTranslate2 file is read
here and put into its modules. It runs in the peers' environment, and answers as bench.warm says. It has no VAD.
"""

import struct
import sys
import wave
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
import whisper
from numpy.typing import NDArray
from whisper.model import ModelDimensions, Whisper

from bench import warm
from bench.warm import BEAM_SIZE

DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's numbers for them."""
LONGEST_TEXT = 448

Weights = dict[str, NDArray[Any]]


def main() -> int:
    threads = int(sys.argv[2])
    torch.set_num_threads(threads)
    model = model_of(weights(Path(sys.argv[1]) / "model.bin"))

    def transcribe(audio: str, **options: Any) -> str:
        answer = whisper.transcribe(model, samples(audio), beam_size=BEAM_SIZE, fp16=False, **options)
        return str(answer["text"]).strip()

    warm.answer(threads, transcribe)
    return 0


def samples(path: str) -> NDArray[np.float32]:
    """A 16 kHz mono wav file; the package itself would need ffmpeg's program."""
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def weights(path: Path) -> Weights:
    """The variables of a CTranslate2 model file (binary version 6)."""
    found: Weights = {}
    with path.open("rb") as file:
        version, _, _ = _number(file, "I"), _name(file), _number(file, "I")
        if version != 6:
            raise SystemExit(f"{path} has CTranslate2's binary version {version}; 6 is known here.")
        for _ in range(_number(file, "I")):
            name = _name(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            dtype = DTYPES[_number(file, "B")]
            found[name] = np.frombuffer(file.read(_number(file, "I")), dtype).reshape(shape)
    return found


def _number(file: BinaryIO, code: str) -> int:
    return int(struct.unpack(code, file.read(struct.calcsize(code)))[0])


def _name(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()


def model_of(found: Weights) -> Whisper:
    """The same model in OpenAI's modules."""
    dims = ModelDimensions(
        n_mels=found["encoder/conv1/weight"].shape[1],
        n_audio_ctx=found["encoder/position_encodings/encodings"].shape[0],
        n_audio_state=found["encoder/conv1/weight"].shape[0],
        n_audio_head=int(found["encoder/num_heads"]),
        n_audio_layer=_layers(found, "encoder"),
        n_vocab=found["decoder/embeddings/weight"].shape[0],
        n_text_ctx=LONGEST_TEXT,
        n_text_state=found["decoder/embeddings/weight"].shape[1],
        n_text_head=int(found["decoder/num_heads"]),
        n_text_layer=_layers(found, "decoder"),
    )
    model = Whisper(dims)
    state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in _renamed(found, dims).items()}
    missing, unknown = model.load_state_dict(state, strict=False)
    assert not unknown and not missing, (missing, unknown)
    return model.eval()


def _layers(found: Weights, side: str) -> int:
    return len({name.split("/")[1] for name in found if name.startswith(f"{side}/layer_") and name.count("/") > 2})


def _renamed(found: Weights, dims: ModelDimensions) -> Weights:
    named: Weights = {
        "encoder.positional_embedding": found["encoder/position_encodings/encodings"],
        "decoder.positional_embedding": found["decoder/position_encodings/encodings"],
        "decoder.token_embedding.weight": found["decoder/embeddings/weight"],
    }
    for conv in ("conv1", "conv2"):
        named |= _linear(found, f"encoder/{conv}", f"encoder.{conv}")
    named |= _norm(found, "encoder/layer_norm", "encoder.ln_post")
    named |= _norm(found, "decoder/layer_norm", "decoder.ln")
    for side, layers in (("encoder", dims.n_audio_layer), ("decoder", dims.n_text_layer)):
        for layer in range(layers):
            old, new = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            named |= _joined(found, f"{old}/self_attention/linear_0", f"{new}.attn", ("query", "key", "value"))
            named |= _linear(found, f"{old}/self_attention/linear_1", f"{new}.attn.out")
            named |= _norm(found, f"{old}/self_attention/layer_norm", f"{new}.attn_ln")
            if side == "decoder":
                named |= _linear(found, f"{old}/attention/linear_0", f"{new}.cross_attn.query")
                named |= _joined(found, f"{old}/attention/linear_1", f"{new}.cross_attn", ("key", "value"))
                named |= _linear(found, f"{old}/attention/linear_2", f"{new}.cross_attn.out")
                named |= _norm(found, f"{old}/attention/layer_norm", f"{new}.cross_attn_ln")
            named |= _linear(found, f"{old}/ffn/linear_0", f"{new}.mlp.0")
            named |= _linear(found, f"{old}/ffn/linear_1", f"{new}.mlp.2")
            named |= _norm(found, f"{old}/ffn/layer_norm", f"{new}.mlp_ln")
    return named


def _linear(found: Weights, old: str, new: str) -> Weights:
    return {f"{new}.{part}": found[f"{old}/{part}"] for part in ("weight", "bias")}


def _norm(found: Weights, old: str, new: str) -> Weights:
    return {f"{new}.weight": found[f"{old}/gamma"], f"{new}.bias": found[f"{old}/beta"]}


def _joined(found: Weights, old: str, new: str, parts: tuple[str, ...]) -> Weights:
    """Projections that CTranslate2 keeps as one; Whisper's keys have no bias."""
    values: Weights = {}
    for kind in ("weight", "bias"):
        for part, value in zip(parts, np.split(found[f"{old}/{kind}"], len(parts)), strict=True):
            if (part, kind) != ("key", "bias"):
                values[f"{new}.{part}.{kind}"] = value
    return values


if __name__ == "__main__":
    sys.exit(main())
