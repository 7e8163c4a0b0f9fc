#!/usr/bin/env bash
# Version: CTranslate2 4.8.5.
# Guess: ctranslate2.set_random_seed(N) before a call with sampling gives the same tokens each time, as torch.manual_seed
#   does; so a fallback of Whisper's at a temperature above 0 could be made repeatable for each request.
# Behaviour: a worker takes the seed when it draws for the first time, and never again. A later set_random_seed changes
#   nothing in a model that has drawn before; only a model loaded after it, with workers of its own, starts from the seed.
# Output seen: the same model, seeded with 1 before each of three calls, draws three different texts; three models, each
#   loaded and then seeded with 1, draw one text.
#   one model: 3 texts
#   three models: 1 text
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ctranslate2==4.8.5 numpy==2.4.2 setuptools==80.9.0
"$folder/venv/bin/python" - "$folder/model" <<'PYTHON'
import sys
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs.transformer_spec import TransformerDecoderModelSpec

# A decoder of one layer with weights of chance: what it says means nothing, how it draws is what counts.
VOCABULARY, WIDTH, HIDDEN = 64, 16, 32
chance = np.random.default_rng(1)


def weights(*shape):
    return (0.5 * chance.normal(size=shape)).astype(np.float32)


def linear(layer, outputs, inputs):
    layer.weight, layer.bias = weights(outputs, inputs), np.zeros(outputs, np.float32)


def normal(layer):
    layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)


spec = TransformerDecoderModelSpec.from_config(num_layers=1, num_heads=2, pre_norm=True)
decoder = spec.decoder
decoder.scale_embeddings = False
decoder.embeddings.weight = weights(VOCABULARY, WIDTH)
decoder.position_encodings.encodings = weights(128, WIDTH)
normal(decoder.layer_norm)
linear(decoder.projection, VOCABULARY, WIDTH)
(layer,) = decoder.layer
normal(layer.self_attention.layer_norm)
linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
linear(layer.self_attention.linear[1], WIDTH, WIDTH)
normal(layer.ffn.layer_norm)
linear(layer.ffn.linear_0, HIDDEN, WIDTH)
linear(layer.ffn.linear_1, WIDTH, HIDDEN)
spec.register_vocabulary(["<unk>", "<s>", "</s>", *(f"w{number}" for number in range(VOCABULARY - 3))])
spec.validate()
Path(sys.argv[1]).mkdir()
spec.save(sys.argv[1])


def loaded():
    return ctranslate2.Generator(sys.argv[1], device="cpu", intra_threads=1)


def drawn(model):
    ctranslate2.set_random_seed(1)
    (answer,) = model.generate_batch([["<s>"]], max_length=24, sampling_topk=0)
    return " ".join(answer.sequences[0])


model = loaded()
same = {drawn(model) for _ in range(3)}
new = {drawn(loaded()) for _ in range(3)}
print(f"one model: {len(same)} texts")
print(f"three models: {len(new)} text")
assert len(same) == 3 and len(new) == 1
PYTHON
