#!/usr/bin/env bash
# Version: onnx-asr 0.12.0, with a TDT transducer that says known tokens.
# Guess: recognize(language=…) chooses the language of a multilingual Parakeet, or is refused; a misspelt option is an
#   error, as it is in Python.
# Behaviour: only Whisper and Canary look at their options. For a transducer any language, also one that does not exist,
#   and any other keyword are taken and ignored, without a warning.
# Output seen:
#   {'one two'}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx-asr==0.12.0 onnxruntime==1.31.1 onnx==1.23.2 \
    numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_asr
from onnx import TensorProto, helper, numpy_helper

folder = Path(sys.argv[1]) / "model"
folder.mkdir()
FLOAT, INT, LONG = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


def network(name, nodes, inputs, outputs, **values):
    graph = helper.make_graph(
        [helper.make_node(kind, given, [made], **more) for kind, given, made, more in nodes],
        name,
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(one, kind, None) for one, kind in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / f"{name}-model.onnx"))


def transducer(tokens):
    """A TDT model that says token n in frame 5 n, whatever it hears; its steps are one frame."""
    size = len(tokens) + 1
    said = np.zeros((1, size, 1000), np.float32)
    said[0, -1] = 5
    for number in range(len(tokens)):
        said[0, number, 5 * number] = 9
    (folder / "vocab.txt").write_text("".join(f"{token} {n}\n" for n, token in enumerate([*tokens, "<blk>"])))
    network(
        "encoder",
        [
            ("Add", ["length", "seven"], "more", {}),
            ("Div", ["more", "eight"], "encoded_lengths", {}),
            ("ReduceMax", ["encoded_lengths"], "longest", {"keepdims": 1}),
            ("Slice", ["said", "zero", "longest", "two"], "outputs", {}),
            ("Identity", ["audio_signal"], "unused", {}),
        ],
        [("audio_signal", FLOAT, ["b", 128, "t"]), ("length", LONG, ["b"])],
        [("outputs", FLOAT), ("encoded_lengths", LONG)],
        said=said, seven=np.array([7]), eight=np.array([8]), zero=np.array([0]), two=np.array([2]),
    )
    state = [1, "b", 1]
    network(
        "decoder_joint",
        [
            ("Transpose", ["encoder_outputs"], "frames", {"perm": [0, 2, 1]}),
            ("Concat", ["frames", "steps"], "both", {"axis": 2}),
            ("Unsqueeze", ["both", "axis"], "outputs", {}),
            ("Identity", ["input_states_1"], "output_states_1", {}),
            ("Identity", ["input_states_2"], "output_states_2", {}),
        ],
        [
            ("encoder_outputs", FLOAT, ["b", size, "t"]), ("targets", INT, ["b", "u"]), ("target_length", INT, ["b"]),
            ("input_states_1", FLOAT, state), ("input_states_2", FLOAT, state),
        ],
        [("outputs", FLOAT), ("output_states_1", FLOAT), ("output_states_2", FLOAT)],
        steps=np.array([[[0, 9, 0, 0, 0]]], np.float32), axis=np.array([2]),
    )


def config():
    told = {"model_type": "nemo-conformer-tdt", "features_size": 128, "subsampling_factor": 8}
    (folder / "config.json").write_text(json.dumps(told))


def load():
    return onnx_asr.load_model("nemo-conformer-tdt", folder, providers=["CPUExecutionProvider"])


SOUND = np.random.default_rng(0).standard_normal(4 * 16_000).astype(np.float32) * 0.1
transducer(["▁one", "▁two"])
config()
model = load()
asked = [{}, {"language": "fr"}, {"language": "no such language"}, {"langauge": "fr"}, {"target_language": "de"}]
said = {model.recognize(SOUND, **options) for options in asked}
print(said)
assert said == {"one two"}
PYTHON
