"""Tiny networks with the interfaces of Parakeet's relatives: each says known tokens at known frames, whatever it
hears."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from transducer import save

FRAMES = 1000
SAID = (("▁да", 10), ("▁нет", 30), (".", 32))
"""Tokens and the frames at which they are said."""
SPEECH = ("<|en|>", "<|fr|>", "<|de|>")
SPECIAL = (
    " ", "<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|pnc|>", "<|noitn|>", "<|notimestamp|>",
    "<|nodiarize|>", "<|endoftext|>",
)  # fmt: skip
"""What Canary's prompt is made of."""
Values = dict[str, NDArray[np.generic]]
Shape = Sequence[str | int]


def vocabulary(folder: Path, name: str, blank: int = -1) -> None:
    tokens = [token for token, _ in SAID]
    tokens.insert(len(tokens) if blank < 0 else blank, "<blk>")
    (folder / name).write_text("".join(f"{token} {number}\n" for number, token in enumerate(tokens)))


def said(blank: int = -1) -> NDArray[np.float32]:
    """Shape (1, FRAMES, tokens + 1): log probabilities of each frame."""
    width = len(SAID) + 1
    place = [number for number in range(width) if number != (blank % width)]
    scores = np.full((1, FRAMES, width), -8.0, np.float32)
    scores[0, :, blank] = -0.01
    for number, (_, frame) in enumerate(SAID):
        scores[0, frame, blank], scores[0, frame, place[number]] = -6.0, -0.01
    return scores


def config(folder: Path, kind: str, **more: object) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": kind, **more}))


def graph(
    path: Path, nodes: Sequence[NodeProto], inputs: Mapping[str, tuple[int, Shape]], outputs: Mapping[str, int],
    values: Values,
) -> None:  # fmt: skip
    """Types and shapes of inputs, types of outputs."""
    save(
        helper.make_graph(
            list(nodes),
            path.stem,
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
            [numpy_helper.from_array(value, name) for name, value in values.items()],
        ),
        path,
    )


def node(kind: str, inputs: Sequence[str], *outputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def first_frames(axis: int, step: int = 4) -> tuple[list[NodeProto], Values]:
    """Nodes that make `frames` of `known`: as many as a quarter of the features along an axis."""
    nodes = [
        node("Shape", ["features"], "shape"),
        node("Gather", ["shape", "axis"], "fine"),
        node("Add", ["fine", "rest"], "more"),
        node("Div", ["more", "step"], "wanted"),
        node("Slice", ["known", "zero", "wanted", "one"], "frames"),
    ]
    numbers = {"axis": axis, "step": step, "rest": step - 1, "zero": 0, "one": 1}
    return nodes, {name: np.array([number]) for name, number in numbers.items()}


FLOAT, LONG, SHORT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32


def gigaam_ctc(folder: Path) -> None:
    vocabulary(folder, "multilingual_vocab.txt")
    config(folder, "gigaam", version="v3")
    nodes, values = first_frames(2)
    graph(
        folder / "multilingual_ctc.int8.onnx", [*nodes, node("Identity", ["frames"], "log_probs")],
        {"features": (FLOAT, ["b", 64, "t"]), "feature_lengths": (LONG, ["b"])}, {"log_probs": FLOAT},
        values | {"known": said()},
    )  # fmt: skip


def gigaam_rnnt(folder: Path) -> None:
    """Each token at most once in a frame: the last one is not said again at once."""
    vocabulary(folder, "v3_e2e_rnnt_vocab.txt")
    config(folder, "gigaam", version="v3")
    nodes, values = first_frames(2)
    nodes[0] = node("Shape", ["audio_signal"], "shape")
    graph(
        folder / "v3_e2e_rnnt_encoder.int8.onnx",
        [
            *nodes,
            node("Transpose", ["frames"], "encoded", perm=[0, 2, 1]),
            node("Cast", ["wanted"], "encoded_len", to=SHORT),
        ],
        {"audio_signal": (FLOAT, ["b", 64, "t"]), "length": (LONG, ["b"])}, {"encoded": FLOAT, "encoded_len": SHORT},
        values | {"known": said()},
    )  # fmt: skip
    width = len(SAID) + 1
    again = np.zeros((width, width), np.float32)
    again[:-1, :-1] = -20 * np.eye(width - 1)
    graph(
        folder / "v3_e2e_rnnt_decoder.int8.onnx",
        [node("Gather", ["again", "x"], "dec"), node("Identity", ["h.1"], "h"), node("Identity", ["c.1"], "c")],
        {"x": (LONG, [1, 1]), "h.1": (FLOAT, [1, 1, 320]), "c.1": (FLOAT, [1, 1, 320])},
        {"dec": FLOAT, "h": FLOAT, "c": FLOAT}, {"again": again},
    )  # fmt: skip
    graph(
        folder / "v3_e2e_rnnt_joint.int8.onnx", [node("Add", ["enc", "dec"], "joint")],
        {"enc": (FLOAT, [1, width, 1]), "dec": (FLOAT, [1, width, 1])}, {"joint": FLOAT}, {},
    )  # fmt: skip


def vosk(folder: Path) -> None:
    """A Kaldi transducer: its blank is the first token, and its decoder sees the last two."""
    for place in ("am-onnx", "lang"):
        (folder / place).mkdir()
    vocabulary(folder / "lang", "tokens.txt", blank=0)
    nodes, values = first_frames(1)
    nodes[0] = node("Shape", ["x"], "shape")
    graph(
        folder / "am-onnx" / "encoder.int8.onnx",
        [*nodes, node("Identity", ["frames"], "encoder_out"), node("Identity", ["wanted"], "encoder_out_lens")],
        {"x": (FLOAT, ["b", "t", 80]), "x_lens": (LONG, ["b"])}, {"encoder_out": FLOAT, "encoder_out_lens": LONG},
        values | {"known": said(blank=0)},
    )  # fmt: skip
    width = len(SAID) + 1
    graph(
        folder / "am-onnx" / "decoder.int8.onnx",
        [
            node("Cast", ["y"], "as_float", to=FLOAT),
            node("ReduceSum", ["as_float", "axis"], "sum", keepdims=1),
            node("Mul", ["sum", "nothing"], "decoder_out"),
        ],
        {"y": (LONG, ["b", 2])}, {"decoder_out": FLOAT},
        {"axis": np.array([1]), "nothing": np.zeros((1, width), np.float32)},
    )  # fmt: skip
    graph(
        folder / "am-onnx" / "joiner.int8.onnx", [node("Add", ["encoder_out", "decoder_out"], "logit")],
        {"encoder_out": (FLOAT, ["b", width]), "decoder_out": (FLOAT, ["b", width])}, {"logit": FLOAT}, {},
    )  # fmt: skip


def canary(folder: Path) -> None:
    """It says `hello.` where English is asked for, and `bonjour.` else."""
    tokens = [*SPECIAL, *SPEECH, "▁hello", "▁bonjour", "."]
    number = {token: at for at, token in enumerate(tokens)}
    (folder / "vocab.txt").write_text("".join(f"{token.replace(' ', '▁')} {at}\n" for token, at in number.items()))
    config(folder, "nemo-conformer-aed", features_size=128, subsampling_factor=8)
    graph(
        folder / "encoder-model.int8.onnx",
        [
            node("Transpose", ["audio_signal"], "encoder_embeddings", perm=[0, 2, 1]),
            node("Shape", ["audio_signal"], "shape"),
            node("Gather", ["shape", "places"], "size"),
            node("ConstantOfShape", ["size"], "mask"),
            node("Cast", ["mask"], "encoder_mask", to=LONG),
        ],
        {"audio_signal": (FLOAT, ["b", 128, "t"]), "length": (LONG, ["b"])},
        {"encoder_embeddings": FLOAT, "encoder_mask": LONG}, {"places": np.array([0, 2])},
    )  # fmt: skip

    def row(token: str) -> NDArray[np.float32]:
        return np.where(np.arange(len(tokens)) == number[token], 5, -5).astype(np.float32)

    # After the prompt of ten: a word, by the sixth token of the prompt; then a point, then the end.
    words = np.stack([row("▁hello" if at == number["<|en|>"] else "▁bonjour") for at in range(len(tokens))])
    later = np.stack([row("."), *[row("<|endoftext|>")] * 30])
    graph(
        folder / "decoder-model.int8.onnx",
        [
            node("Shape", ["input_ids"], "ids_shape"),
            node("Gather", ["ids_shape", "one"], "new"),
            node("Shape", ["decoder_mems"], "mems_shape"),
            node("Gather", ["mems_shape", "two"], "before"),
            node("Equal", ["before", "zero"], "begins"),
            node("Sub", ["before", "ten"], "ahead"),
            node("Max", ["ahead", "zero"], "at"),
            node("Gather", ["later", "at"], "then"),
            node("Sub", ["new", "one"], "last"),
            node("Min", ["five", "last"], "sixth"),
            node("Gather", ["input_ids", "sixth"], "asked", axis=1),
            node("Reshape", ["asked", "flat"], "asked_flat"),
            node("Gather", ["words", "asked_flat"], "word"),
            node("Where", ["begins", "word", "then"], "chosen"),
            node("Unsqueeze", ["chosen", "zero"], "logits"),
            node("Concat", ["layer", "batch", "new", "wide"], "hidden_shape", axis=0),
            node("ConstantOfShape", ["hidden_shape"], "fresh"),
            node("Concat", ["decoder_mems", "fresh"], "decoder_hidden_states", axis=2),
        ],
        {
            "input_ids": (LONG, ["b", "n"]), "encoder_embeddings": (FLOAT, ["b", "t", 128]),
            "encoder_mask": (LONG, ["b", "t"]), "decoder_mems": (FLOAT, [1, "b", "m", 2]),
        },
        {"logits": FLOAT, "decoder_hidden_states": FLOAT},
        {
            "words": words, "later": later, "flat": np.array([-1]), "zero": np.array([0]), "one": np.array([1]),
            "two": np.array([2]), "five": np.array([5]), "ten": np.array([10]), "layer": np.array([1]),
            "batch": np.array([1]), "wide": np.array([2]),
        },
    )  # fmt: skip
