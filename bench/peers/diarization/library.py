"""The whisperx library's own transcription: `python -m bench.peers.diarization.library MODEL_FOLDER THREADS`.

Its pipeline with the very CTranslate2 model that the service reads, and Silero for speech, whose weights it would fetch
from the network: here they are faster-whisper's copy, handed to it as one of its detectors. It runs in the service's
environment, and answers as bench.warm says.
"""

import sys
from contextlib import redirect_stdout
from typing import Any

from stt_speakers import audio_library

audio_library.prepare()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import whisperx  # noqa: E402
from faster_whisper.vad import VadOptions, get_speech_timestamps, get_vad_model  # noqa: E402
from whisperx.diarize import Segment  # noqa: E402
from whisperx.vads import Vad  # noqa: E402

from bench import warm  # noqa: E402
from bench.diarization.samples import mapped  # noqa: E402
from bench.warm import BATCH_SIZE  # noqa: E402

CHUNK_SECONDS = 30


class Silero(Vad):  # type: ignore[misc]
    """As whisperx.vads.Silero asks its model: stretches of speech of at most a chunk."""

    def __init__(self) -> None:
        super().__init__(0.5)
        self._options = VadOptions(threshold=0.5, max_speech_duration_s=CHUNK_SECONDS)
        get_vad_model()

    def __call__(self, audio: dict[str, Any], **_: Any) -> list[Any]:
        spans = get_speech_timestamps(audio["waveform"], self._options)
        return [Segment(span["start"] / 16_000, span["end"] / 16_000, "UNKNOWN") for span in spans]

    @staticmethod
    def preprocess_audio(audio: Any) -> Any:
        return audio


def main() -> int:
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    with redirect_stdout(sys.stderr):  # it tells of the detector
        pipeline = whisperx.load_model(
            folder,
            "cpu",
            compute_type="int8",
            language="en",
            vad_model=Silero(),
            threads=threads,
            local_files_only=True,
        )

    def transcribe(audio: str) -> str:
        samples = mapped(audio).astype(np.float32) / 32768
        found = pipeline.transcribe(samples, batch_size=BATCH_SIZE, language="en")
        return " ".join(segment["text"].strip() for segment in found["segments"])

    warm.answer(threads, transcribe)
    return 0


if __name__ == "__main__":
    sys.exit(main())
