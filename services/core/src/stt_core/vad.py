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

MEMORY = 62
"""Frames, 2 s, after which the model forgets what it heard, where nobody spoke in them. A minute of digital
silence, or of a steady hum, drives its memory to where it misses the first seconds of speech that follow."""
QUIET = 0.35
"""The probability below which nobody speaks, as Silero has it: 0.15 below the usual threshold."""

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
        self._forget()
        self._context = np.zeros(CONTEXT, np.float32)
        self._quiet = 0  # frames since somebody spoke, or since the model forgot

    def _forget(self) -> None:
        self._h = np.zeros((1, 1, STATE), np.float32)
        self._c = np.zeros((1, 1, STATE), np.float32)

    def probabilities(self, samples: NDArray[np.float32]) -> list[float]:
        """The probability of speech in each frame; samples of shape (frames * 512,).

        How they are parted into calls makes no difference.
        """
        frames = samples.reshape(-1, FRAME)
        found: list[float] = []
        while len(found) < len(frames):
            found += self._heard(frames[len(found) : len(found) + MEMORY - self._quiet])
            if self._quiet == MEMORY:
                self._forget()
                self._quiet = 0
        return found

    def _heard(self, frames: NDArray[np.float32]) -> list[float]:
        contexts = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:].copy()
        inputs = {"input": np.concatenate([contexts, frames], axis=1), "h": self._h, "c": self._c}
        output, self._h, self._c = self._session.run(None, inputs)
        values = [float(value) for value in np.asarray(output).reshape(-1)]
        voiced = [place for place, value in enumerate(values) if value >= QUIET]
        self._quiet = len(values) - 1 - voiced[-1] if voiced else self._quiet + len(values)
        return values
