"""The raw faster-whisper library in a warm process of its own: `python -m bench.path.raw MODEL_FOLDER`.

It runs in the services' environment. Standard input has one request a line, {"audio": path, "batched": bool};
standard output one answer a line, {"seconds": wall time of decoding the file and transcribing it, "text": …}.
"""

import json
import sys
import time
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel
from stt_core import cores

BATCH_SIZE = 8
BEAM_SIZE = 5


def main() -> int:
    threads = cores.available()
    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)
    pipeline = BatchedInferencePipeline(model)
    print(json.dumps({"threads": threads}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        options: dict[str, Any] = {"beam_size": BEAM_SIZE, "vad_filter": True}
        transcribe = model.transcribe
        if asked["batched"]:
            transcribe = pipeline.transcribe
            options["batch_size"] = BATCH_SIZE
        began = time.monotonic()
        segments, _ = transcribe(asked["audio"], **options)
        text = "".join(segment.text for segment in segments).strip()
        print(json.dumps({"seconds": time.monotonic() - began, "text": text}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
