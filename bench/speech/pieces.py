"""Stretches of a sound file: `python -m bench.speech.pieces FILE FOLDER START-END…`, in seconds.

Writes FOLDER/<name>-<START>-<END>.wav. It runs in the services' environment.
"""

import sys
from pathlib import Path

from bench.speech.maker import SAMPLE_RATE, read, write


def main() -> int:
    path, folder = map(Path, sys.argv[1:3])
    samples = read(path)
    for piece in sys.argv[3:]:
        start, end = (round(float(text) * SAMPLE_RATE) for text in piece.split("-"))
        write(folder / f"{path.stem}-{piece}.wav", samples[start:end])
    return 0


if __name__ == "__main__":
    sys.exit(main())
