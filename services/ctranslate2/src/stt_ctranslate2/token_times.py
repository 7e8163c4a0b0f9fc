"""Where tokens are said, by CTranslate2's align."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stt_whisper.model import Aligned
from stt_whisper.trimming import FRAMES_PER_SECOND

POSITION_SECONDS = 0.02
"""Of sound, in one of the encoder's positions."""


def aligned(
    model: Any, encoded: Any, begin: Sequence[int], texts: Sequence[Sequence[int]], durations: Sequence[float]
) -> list[Aligned]:
    """begin: the tokens before each text. durations: seconds of each window."""
    frames = [max(1, round(duration * FRAMES_PER_SECOND)) for duration in durations]
    found = []
    for one in model.align(encoded, list(begin), [list(text) for text in texts], frames):
        # Pairs of a token and a position, all on one way; the first of each token is where it begins.
        tokens, positions = np.array(one.alignments).T
        first = np.concatenate([[True], np.diff(tokens) > 0])
        times = [float(position) for position in positions[first] * POSITION_SECONDS]
        found.append(Aligned(times, [float(likely) for likely in one.text_token_probs]))
    return found
