"""Makes the network: `python maker.py FOLDER`, in the environment of the kinds that know PyTorch.

The encoder is transformers' FastConformer with the sizes of Parakeet TDT 0.6B v3; the decoder has the published sizes
too. Both are quantized to int8 by onnxruntime's usual way, which gives files of the published sizes. Weights are
random: an encoder costs the same whatever they are, and a decoder costs what its tokens are, so it is made to say about
as many as speech has. Nothing can be learnt here of its words.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from transformers import ParakeetEncoder, ParakeetEncoderConfig

LAYERS, WIDTH, HEADS, INNER, MELS = 24, 1024, 8, 4096, 128
PREDICTION, TOKENS, DURATIONS = 640, 8192, 5
STEP = 2
"""Frames of 80 ms from one step of the decoder to the next: with a token at every other step, 3 tokens a second, which
is what English has in a vocabulary of this size."""


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = ParakeetEncoderConfig(
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=INNER,
            num_mel_bins=MELS,
        )
        sizes._attn_implementation = "eager"
        self.inner = ParakeetEncoder(sizes)

    def forward(self, audio_signal: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames = audio_signal.transpose(1, 2)
        there = torch.arange(frames.shape[1])[None, :] < length[:, None]
        heard = self.inner(frames, attention_mask=there).last_hidden_state
        return heard.transpose(1, 2), (length + 7) // 8


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(TOKENS + 1, PREDICTION)
        self.prediction = nn.LSTM(PREDICTION, PREDICTION, num_layers=2)
        self.heard = nn.Linear(WIDTH, PREDICTION)
        self.said = nn.Linear(PREDICTION, PREDICTION)
        self.joint = nn.Linear(PREDICTION, TOKENS + 1 + DURATIONS)
        with torch.no_grad():
            # A blank where one sum over what was heard is positive, and always the same step.
            self.joint.bias[TOKENS + 1 + STEP] += 1000
            self.blank = nn.Parameter(torch.randn(WIDTH) * 100)

    def forward(
        self,
        encoder_outputs: torch.Tensor,
        targets: torch.Tensor,
        target_length: torch.Tensor,
        first: torch.Tensor,
        second: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        frames = encoder_outputs.transpose(1, 2)
        said, (hidden, cell) = self.prediction(self.embedding(targets).transpose(0, 1), (first, second))
        together = self.heard(frames)[:, :, None] + self.said(said.transpose(0, 1))[:, None]
        logits = self.joint(torch.relu(together))
        blank = (frames @ self.blank)[:, :, None, None]
        parts = (logits[..., :TOKENS], logits[..., TOKENS : TOKENS + 1] + blank, logits[..., TOKENS + 1 :])
        return torch.cat(parts, -1), target_length, hidden, cell


def exported(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], names: list[str], outputs: list[str], to: Path
) -> None:
    axes = {name: {0: "b"} for name in (*names, *outputs)}
    for name, axis in (("audio_signal", 2), ("outputs", 2), ("encoder_outputs", 2)):
        if name in axes:
            axes[name][axis] = "t"
    for name in [*names, *outputs]:
        if "states" in name:
            axes[name] = {1: "b"}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(), inputs, str(plain), input_names=names, output_names=outputs, dynamic_axes=axes,
                opset_version=17, dynamo=False,
            )  # fmt: skip
        quantize_dynamic(plain, to, weight_type=QuantType.QUInt8)


def make(folder: Path) -> None:
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    exported(
        Encoder(), (torch.randn(2, MELS, 1000), torch.tensor([1000, 800])), ["audio_signal", "length"],
        ["outputs", "encoded_lengths"], folder / "encoder-model.int8.onnx",
    )  # fmt: skip
    state, one = torch.zeros(2, 1, PREDICTION), torch.ones(1, dtype=torch.int32)
    exported(
        Decoder(),
        (
            torch.randn(1, WIDTH, 1),
            torch.zeros(1, 1, dtype=torch.int32),
            one,
            state,
            state,
        ),
        ["encoder_outputs", "targets", "target_length", "input_states_1", "input_states_2"],
        ["outputs", "prednet_lengths", "output_states_1", "output_states_2"],
        folder / "decoder_joint-model.int8.onnx",
    )
    words = [f"▁w{number}" if number % 4 else f"p{number}" for number in range(TOKENS)]
    (folder / "vocab.txt").write_text("".join(f"{word} {n}\n" for n, word in enumerate([*words, "<blk>"])))
    told = {"model_type": "nemo-conformer-tdt", "features_size": MELS, "subsampling_factor": 8}
    (folder / "config.json").write_text(json.dumps(told))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
