"""Where somebody speaks: Silero's voice activity model, run over a stream."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import level
from stt_core.audio.level import Level

FRAME = level.FRAME
"""Samples that the model judges at once: 32 ms at 16 kHz."""
CONTEXT = 64
"""Samples of the frame before, which the model sees too."""
STATE = 128
QUIET = 0.35
"""A frame that is less likely speech than this is none; Silero's own value."""
FORGETTING = 62
"""Frames without speech, two seconds, after which the model begins anew. Its memory goes blind where nothing
happens: after a minute of zeros at 8 kHz it finds speech 5 s late, after 3 s of hum it loses half a second.
Begun anew after 31 frames it loses the start of what follows a pause of one second; after 62 nothing behind
silence, and at most 9 frames of any prompt that was tried behind a hum, where 21 were lost."""

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
    """What the model hears of one file, raised where it is quiet, and its memory of it."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._level = Level()
        self._context = np.zeros(CONTEXT, np.float32)
        self._memory = _blank()
        self._quiet = 0

    def probabilities(self, samples: NDArray[np.float32]) -> list[float]:
        """The probability of speech in each frame; samples of shape (frames * 512,).

        The same however a file is cut into calls.
        """
        if len(samples) == 0:
            return []
        frames = samples.reshape(-1, FRAME)
        contexts = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:].copy()
        left = np.concatenate([contexts, frames], axis=1) * self._level.gains(frames)[:, None]
        found: list[float] = []
        while len(left):
            # No more than would be forgotten at its end.
            some, left = left[: FORGETTING - self._quiet], left[FORGETTING - self._quiet :]
            found += self._judged(some)
        return found

    def _judged(self, inputs: NDArray[np.float32]) -> list[float]:
        h, c = self._memory
        output, *self._memory = self._session.run(None, {"input": inputs, "h": h, "c": c})
        found = [float(value) for value in np.asarray(output).reshape(-1)]
        for probability in found:
            self._quiet = self._quiet + 1 if probability < QUIET else 0
        if self._quiet == FORGETTING:
            self._memory, self._quiet = _blank(), 0
        return found


def _blank() -> list[NDArray[np.float32]]:
    """What the model remembers at the start of a file."""
    return [np.zeros((1, 1, STATE), np.float32), np.zeros((1, 1, STATE), np.float32)]
