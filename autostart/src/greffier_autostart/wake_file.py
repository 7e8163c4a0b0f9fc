"""The file by which a service says that it has work left, also while it is asleep or the host has just booted.

It holds a Unix time in decimal seconds, from which on there is work, and is there exactly while there is some.
"""

from __future__ import annotations

import math
from pathlib import Path

MAX_BYTES = 64


def due(path: Path, now: float) -> bool:
    """Whether there is work at a moment, in Unix seconds. What cannot be read as a time counts as work: the worst
    that comes of it is a service that stays awake."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        at = float(text)
    except ValueError:
        return True
    return math.isnan(at) or at <= now
