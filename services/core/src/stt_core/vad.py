"""Where somebody speaks: Silero's voice activity model, run over a stream."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME = 512
"""Samples that the model judges at once: 32 ms at 16 kHz."""
CONTEXT = 64
"""Samples of the frame before, which the model sees too."""
STATE = 128

MODEL = Path(__file__).parent / "silero" / "silero_vad.onnx"


class VoiceDetector:
    """The model, shared by all streams (onnxruntime sessions may be used by many threads)."""

    def __init__(self) -> None:
        import onnxruntime  # slow to import, and wanted only where something is decoded

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(MODEL), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def stream(self) -> "VoiceStream":
        return VoiceStream(self._session)


class VoiceStream:
    """The model's memory of one file."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._h = np.zeros((1, 1, STATE), np.float32)
        self._c = np.zeros((1, 1, STATE), np.float32)
        self._context = np.zeros(CONTEXT, np.float32)

    def probabilities(self, samples: NDArray[np.float32]) -> list[float]:
        """The probability of speech in each frame; samples of shape (frames * 512,)."""
        if len(samples) == 0:
            return []
        frames = samples.reshape(-1, FRAME)
        contexts = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:].copy()
        inputs = {"input": np.concatenate([contexts, frames], axis=1), "h": self._h, "c": self._c}
        output, self._h, self._c = self._session.run(None, inputs)
        return [float(value) for value in np.asarray(output).reshape(-1)]
