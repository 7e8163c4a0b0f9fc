"""onnx-asr alone, in the services' environment: `python -m bench.parakeet.bare FOLDER LONG SHORT`.

Prints JSON, in seconds: what loading the model takes, and hearing the windows that the service cuts of the file LONG,
one after the other; the file SHORT four times one by one, and together.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_asr
import onnxruntime
from numpy.typing import NDArray
from stt_core import cores
from stt_core.audio import AudioFile
from stt_core.audio.vad import VoiceDetector
from stt_core.engine.protocol import VadOptions
from stt_core.scheduling.windows import windows

TOGETHER = 4
TIMES = 3


def heard(path: str) -> list[NDArray[np.float32]]:
    with Path(path).open("rb") as file:
        source = AudioFile(file)
        stream = VoiceDetector().stream()
        return [cut.samples for cut in windows(source.blocks(), stream.probabilities, VadOptions())]


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def main(folder: str, long: str, short: str) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores.available()
    options.inter_op_num_threads = 1
    began = time.monotonic()
    model = onnx_asr.load_model(
        "nemo-conformer-tdt", folder, quantization="int8", sess_options=options, providers=["CPUExecutionProvider"]
    ).with_timestamps()
    load = time.monotonic() - began
    brief = heard(short)[0]
    first = timed(lambda: model.recognize(brief))
    parts = heard(long)
    told = {
        "load": load,
        "first": first,
        "windows": len(parts),
        "long": min(timed(lambda: [model.recognize(part) for part in parts]) for _ in range(2)),
        "apart": min(timed(lambda: [model.recognize(brief) for _ in range(TOGETHER)]) for _ in range(TIMES)),
        "together": min(timed(lambda: model.recognize([brief] * TOGETHER)) for _ in range(TIMES)),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
