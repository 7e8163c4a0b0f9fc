"""The service's open diarizer in a warm process: `python -m bench.diarization.opened WEIGHTS THREADS`.

It runs in the service's environment, and answers as bench.warm says; its text is a JSON list of turns,
[start, end, speaker].
"""

import json
import sys
from pathlib import Path

import torch
from stt_speakers.diarization.open import OpenDiarizer
from stt_speakers.sound import Sound

from bench import warm
from bench.diarization.samples import mapped


def main() -> int:
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    diarizer = OpenDiarizer(folder, threads)
    diarizer.load()

    def diarize(audio: str, speakers: int | None = None) -> str:
        found = diarizer.diarize(Sound(mapped(audio)), speakers, speakers, lambda share: None)
        return json.dumps([[turn.start, turn.end, f"{turn.speaker}"] for turn in found.turns])

    warm.answer(torch.get_num_threads(), diarize)
    return 0


if __name__ == "__main__":
    sys.exit(main())
