"""The raw faster-whisper library in a warm process of its own: `python -m bench.library MODEL_FOLDER`.

It runs in the services' environment, and answers as bench.warm says; `batched` picks the pipeline, anything else is
an option of `transcribe`.
"""

import sys
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.vad import get_vad_model
from stt_core import cores

from bench import warm
from bench.warm import BATCH_SIZE, BEAM_SIZE


def main() -> int:
    threads = cores.available()
    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)
    pipeline = BatchedInferencePipeline(model)
    get_vad_model()  # the library would load it for the first file

    def transcribe(audio: str, batched: bool, **options: Any) -> str:
        options = {"beam_size": BEAM_SIZE, "vad_filter": True} | options
        if batched:
            segments, _ = pipeline.transcribe(audio, batch_size=BATCH_SIZE, **options)
        else:
            segments, _ = model.transcribe(audio, **options)
        return "".join(segment.text for segment in segments).strip()

    warm.answer(threads, transcribe)
    return 0


if __name__ == "__main__":
    sys.exit(main())
