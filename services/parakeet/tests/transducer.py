"""Models that really say something: networks whose weights are set so that known sounds give known tokens.

Each sound is a band of noise over a floor of noise; each has a token. The encoder hears where a band begins, the joint
network says its token there, and a blank everywhere else. So the text of a recording is known by value, with the time
of each token to a frame.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

RATE = 16_000
FRAME = 0.08
"""Seconds of a frame of the encoder's."""
MELS = 128
FLOOR = 0.003
"""Of noise, below the sounds: what one sound leaks into another's band is to be quieter."""
EDGE = 320
"""Samples in which a sound becomes loud."""
DURATIONS = 5
"""Of a TDT model: steps of 0 to 4 frames."""

Kind = Literal["nemo-conformer-tdt", "nemo-conformer-rnnt", "nemo-conformer-ctc"]

BANDS = ((250, 450), (650, 850), (1050, 1300), (1500, 1800), (2050, 2400), (2700, 3100), (3500, 4000), (4500, 5200))
"""Hertz of each sound; apart enough that no filter of the features hears two."""


@dataclass(frozen=True)
class Said:
    """A sound in a recording: its number, and when it begins and ends, in seconds."""

    sound: int
    start: float
    end: float


def recording(seconds: float, said: Sequence[Said], seed: int = 0) -> NDArray[np.float32]:
    """Sounds over a floor of noise."""
    random = np.random.default_rng(seed)
    samples = random.standard_normal(round(seconds * RATE)) * FLOOR
    for one in said:
        start, end = round(one.start * RATE), round(one.end * RATE)
        noise = np.fft.rfft(random.standard_normal(end - start))
        hertz = np.fft.rfftfreq(end - start, 1 / RATE)
        low, high = BANDS[one.sound]
        noise[(hertz < low) | (hertz > high)] = 0
        band = np.fft.irfft(noise, end - start)
        # A hard edge would be a click, which every band hears.
        edges = np.minimum(1, np.minimum(np.arange(end - start), np.arange(end - start)[::-1]) / EDGE)
        samples[start:end] += edges * band / max(1e-9, float(np.abs(band).max())) * 0.3
    return samples.astype(np.float32)


def mel(hertz: float) -> float:
    """Slaney's scale, as NeMo has it."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) * 27 / np.log(6.4)


def heard_by(sound: int) -> NDArray[np.float32]:
    """Shape (MELS,): which features hear a sound; they sum to 1."""
    top = mel(RATE / 2)
    centers = np.array([(number + 1) * top / (MELS + 1) for number in range(MELS)])
    low, high = (mel(hertz) for hertz in BANDS[sound])
    inside = ((centers > low) & (centers < high)).astype(np.float32)
    assert inside.sum() >= 2
    return inside / inside.sum()


def make(folder: Path, vocabulary: Sequence[str], kind: Kind = "nemo-conformer-tdt", *, config: bool = True) -> None:
    """A model whose sound n says token n of the vocabulary; `<blk>` is added to it. At most len(BANDS) tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = [*vocabulary, "<blk>"]
    (folder / "vocab.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(tokens)))
    if config:
        told = {"model_type": kind, "features_size": MELS, "subsampling_factor": 8}
        (folder / "config.json").write_text(json.dumps(told))
    if kind == "nemo-conformer-ctc":
        save(_ctc(len(vocabulary)), folder / "model.int8.onnx")
        return
    save(_encoder(len(vocabulary)), folder / "encoder-model.int8.onnx")
    joint = _joint(len(vocabulary), DURATIONS if kind.endswith("tdt") else 0)
    save(joint, folder / "decoder_joint-model.int8.onnx")


def save(graph: onnx.GraphProto, path: Path) -> None:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def _constant(name: str, value: NDArray[np.generic]) -> TensorProto:
    return numpy_helper.from_array(value, name)


def _hearing(sounds: int) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """From audio_signal (b, MELS, t) to `begins` (b, sounds, t / 8): 1 where a sound begins, else 0."""
    listens = np.stack([heard_by(sound) for sound in range(sounds)])
    nodes = [
        helper.make_node("AveragePool", ["audio_signal"], ["pooled"], kernel_shape=[8], strides=[8], ceil_mode=1),
        helper.make_node("MatMul", ["listens", "pooled"], ["level"]),
        helper.make_node("Sub", ["level", "threshold"], ["above"]),
        helper.make_node("Mul", ["above", "steep"], ["sharp"]),
        helper.make_node("Sigmoid", ["sharp"], ["sounds"]),
        helper.make_node("Pad", ["sounds", "later"], ["padded"]),
        helper.make_node("Slice", ["padded", "zero", "minus_one", "axis"], ["before"]),
        helper.make_node("Sub", ["one", "before"], ["silent"]),
        helper.make_node("Mul", ["sounds", "silent"], ["begins"]),
    ]
    values = [
        _constant("listens", listens.astype(np.float32)),
        _constant("threshold", np.array(0.9, np.float32)),
        _constant("steep", np.array(60.0, np.float32)),
        _constant("later", np.array([0, 0, 1, 0, 0, 0], np.int64)),
        _constant("zero", np.array([0], np.int64)),
        _constant("minus_one", np.array([-1], np.int64)),
        _constant("axis", np.array([2], np.int64)),
        _constant("one", np.array(1.0, np.float32)),
    ]
    return nodes, values


def _encoder(sounds: int) -> onnx.GraphProto:
    nodes, values = _hearing(sounds)
    nodes += [
        helper.make_node("Identity", ["begins"], ["outputs"]),
        helper.make_node("Add", ["length", "seven"], ["longer"]),
        helper.make_node("Div", ["longer", "eight"], ["encoded_lengths"]),
    ]
    values += [_constant("seven", np.array([7], np.int64)), _constant("eight", np.array([8], np.int64))]
    return helper.make_graph(
        nodes,
        "encoder",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["b", MELS, "t"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["b"]),
        ],
        [
            helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["b", sounds, "t8"]),
            helper.make_tensor_value_info("encoded_lengths", TensorProto.INT64, ["b"]),
        ],
        values,
    )


def _joint(sounds: int, durations: int) -> onnx.GraphProto:
    """Its logits: each token 10 where its sound begins, the blank 5; of durations, one frame.

    Without durations a frame is heard again after each token, and the one that was said last is not said once more:
    the same sound twice in a row is one.
    """
    width = sounds + 1 + durations
    weights = np.zeros((sounds, width), np.float32)
    weights[:, :sounds] = 10 * np.eye(sounds)
    bias = np.zeros(width, np.float32)
    bias[sounds] = 5
    again = np.zeros((sounds + 1, width), np.float32)
    if durations:
        bias[sounds + 1 + 1] = 10
    else:
        again[:sounds, :sounds] = -20 * np.eye(sounds)
    nodes = [
        helper.make_node("Transpose", ["encoder_outputs"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["frames", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["biased"]),
        helper.make_node("Gather", ["again", "targets"], ["said"]),
        helper.make_node("Add", ["biased", "said"], ["logits"]),
        helper.make_node("Unsqueeze", ["logits", "axis"], ["outputs"]),
        helper.make_node("Identity", ["target_length"], ["prednet_lengths"]),
        helper.make_node("Identity", ["input_states_1"], ["output_states_1"]),
        helper.make_node("Identity", ["input_states_2"], ["output_states_2"]),
    ]
    state = [1, "b", 1]
    return helper.make_graph(
        nodes,
        "decoder_joint",
        [
            helper.make_tensor_value_info("encoder_outputs", TensorProto.FLOAT, ["b", sounds, "t"]),
            helper.make_tensor_value_info("targets", TensorProto.INT32, ["b", "u"]),
            helper.make_tensor_value_info("target_length", TensorProto.INT32, ["b"]),
            helper.make_tensor_value_info("input_states_1", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("input_states_2", TensorProto.FLOAT, state),
        ],
        [
            helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["b", "t", "u", width]),
            helper.make_tensor_value_info("prednet_lengths", TensorProto.INT32, ["b"]),
            helper.make_tensor_value_info("output_states_1", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("output_states_2", TensorProto.FLOAT, state),
        ],
        [
            _constant("weights", weights),
            _constant("bias", bias),
            _constant("again", again),
            _constant("axis", np.array([2], np.int64)),
        ],
    )


def _ctc(sounds: int) -> onnx.GraphProto:
    """`begins` as log probabilities of the tokens, with the blank's after them."""
    nodes, values = _hearing(sounds)
    nodes += [
        helper.make_node("Transpose", ["begins"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["frames", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["logprobs"], axis=-1),
    ]
    weights = np.concatenate([10 * np.eye(sounds), np.zeros((sounds, 1))], axis=1).astype(np.float32)
    bias = np.zeros(sounds + 1, np.float32)
    bias[sounds] = 5
    values += [_constant("weights", weights), _constant("bias", bias)]
    return helper.make_graph(
        nodes,
        "ctc",
        [
            helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["b", MELS, "t"]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["b"]),
        ],
        [helper.make_tensor_value_info("logprobs", TensorProto.FLOAT, ["b", "t8", sounds + 1])],
        values,
    )
