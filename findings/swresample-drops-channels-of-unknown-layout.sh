#!/usr/bin/env bash
# Version: PyAV 18.1.0 (its wheel carries FFmpeg's libswresample).
# Guess: a WAV file whose header names no speakers (three or six microphones, say) is mixed to mono evenly.
# Behaviour: libswresample takes the channels for a surround layout. The third of three, and the fourth of six, seven
#   or eight, count as the low-frequency effects channel, which a mix to mono leaves out: who speaks there alone is
#   lost without a word. Of five channels each has a share of its own, as if it were a loudspeaker.
# Output seen: the level (RMS) of a sine of RMS 0.17 in one channel after the mix:
#   3 channels: 0.086 0.086 0.000
#   5 channels: 0.036 0.036 0.051 0.025 0.025
#   6 channels: 0.036 0.036 0.051 0.000 0.025 0.025
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PYTHON'
import io
import wave

import av
import numpy as np

RATE = 16_000
SINE = (8_000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype("<i2")
SEEN = {
    3: [0.086, 0.086, 0.0],
    5: [0.036, 0.036, 0.051, 0.025, 0.025],
    6: [0.036, 0.036, 0.051, 0.0, 0.025, 0.025],
}


def recording(channels: int, sounding: int) -> io.BytesIO:
    samples = np.zeros((RATE, channels), "<i2")
    samples[:, sounding] = SINE
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    file.seek(0)
    return file


def mixed(file: io.BytesIO) -> float:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(file) as container:
        parts = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return float(np.sqrt(np.mean((np.concatenate(parts) / 32_768) ** 2)))


for channels, seen in SEEN.items():
    levels = [mixed(recording(channels, sounding)) for sounding in range(channels)]
    print(f"{channels} channels:", *(f"{level:.3f}" for level in levels))
    assert np.allclose(levels, seen, atol=0.002), f"it was {seen}"
PYTHON
