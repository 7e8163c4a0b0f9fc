#!/usr/bin/env bash
# Version: faster-whisper 1.2.1 with PyAV 18.1.0.
# Guess: decode_audio of a film gives the sound on the film's clock, so that subtitles fit the picture.
# Behaviour: it drops every timestamp and joins what it decodes. Where the sound begins 5 s into the file, or a
#   recorder left out 10 s, everything after is early by as much. FFmpeg's own filter aresample=async=1:first_pts=0 fills
#   such gaps; a resampler without it does not.
# Output seen: a Matroska file with 2 s of a sine that begins at 5 s: 2.0 s decoded, its first sound at 0.0 s; through
#   the filter 7.0 s, at 5.0 s.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check faster-whisper==1.2.1 av==18.1.0 numpy==2.4.2
"$folder/venv/bin/python" - "$folder/film.mkv" <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from faster_whisper import decode_audio

RATE = 16_000
sine = (8_000 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.int16)
with av.open(sys.argv[1], "w", options={"avoid_negative_ts": "disabled"}) as film:
    picture = film.add_stream("mpeg4", rate=10)
    picture.width = picture.height = 32
    sound = film.add_stream("flac", rate=RATE, layout="mono")
    for number in range(70):
        frame = av.VideoFrame(32, 32, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 10)
        film.mux(picture.encode(frame))
    film.mux(picture.encode(None))
    for first in range(0, len(sine), 4_000):
        frame = av.AudioFrame.from_ndarray(sine[None, first : first + 4_000], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 5 * RATE + first
        film.mux(sound.encode(frame))
    film.mux(sound.encode(None))


def filtered(path: str) -> np.ndarray:
    parts = []
    with av.open(path) as film:
        graph = Graph()
        source = graph.add_abuffer(template=film.streams.audio[0])
        filling = graph.add("aresample", f"{RATE}:async=1:first_pts=0")
        sink = graph.add("abuffersink")
        source.link_to(filling)
        filling.link_to(sink)
        graph.configure()

        def drain() -> None:
            while True:
                try:
                    parts.append(graph.pull().to_ndarray().reshape(-1))
                except (av.error.BlockingIOError, av.error.EOFError):
                    return

        for frame in film.decode(audio=0):
            graph.push(frame)
            drain()
        graph.push(None)
        drain()
    return np.concatenate(parts) / 32_768


for name, samples, start in (
    ("decode_audio", decode_audio(sys.argv[1]), 0.0),
    ("aresample=async=1:first_pts=0", filtered(sys.argv[1]), 5.0),
):
    first = float(np.argmax(np.abs(samples) > 0.05)) / RATE
    print(f"{name}: {len(samples) / RATE:.1f} s, the first sound at {first:.1f} s")
    assert abs(len(samples) / RATE - 2 - start) < 0.1 and abs(first - start) < 0.1
PYTHON
