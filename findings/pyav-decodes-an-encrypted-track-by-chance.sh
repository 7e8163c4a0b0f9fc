#!/usr/bin/env bash
# Version: PyAV 18.1.0 (its wheel carries FFmpeg).
# Guess: an MP4 track under Common Encryption, opened without its key, gives an error or says that it is encrypted.
# Behaviour: it opens as a plain AAC track, and its packets go to the decoder as they are. Each file has random bytes of
#   its own: most end in decoding errors alone, and of a few some packets decode, without an error, to noise. What tells
#   all of them is the side data "encryption_info" of each packet.
# Output seen (the two in the middle differ from run to run):
#   400 files: 400 look like plain AAC, 388 give errors alone, 12 give noise; every packet of 400 has encryption_info
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" -q --disable-pip-version-check install av==18.1.0 numpy==2.4.0
"$folder/environment/bin/python" - <<'PYTHON'
import io

import av
import numpy as np

KEY = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32, "encryption_kid": "1" * 32}
TIMES = 400


def encrypted() -> bytes:
    """Two seconds of a tone."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options=KEY) as target:
        stream = target.add_stream("aac", rate=16000, layout="mono")
        samples = (8000 * np.sin(np.arange(32000) * 0.17)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


plain = errors = noise = told = 0
for _ in range(TIMES):
    frames = 0
    with av.open(io.BytesIO(encrypted())) as source:
        stream = source.streams.audio[0]
        plain += stream.codec_context.name == "aac" and stream.codec_context.codec_tag == "mp4a"
        packets = [packet for packet in source.demux(stream) if packet.size]
        told += all(packet.has_sidedata("encryption_info") for packet in packets)
        for packet in packets:
            try:
                frames += len(packet.decode())
            except av.error.FFmpegError:
                pass
    noise += frames > 0
    errors += frames == 0
print(
    f"{TIMES} files: {plain} look like plain AAC, {errors} give errors alone, {noise} give noise; "
    f"every packet of {told} has encryption_info"
)
assert plain == told == TIMES and errors and noise
PYTHON
