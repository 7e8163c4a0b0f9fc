"""Medians and shares of what was measured, for rows and their notes. Pure."""

import math
from collections.abc import Sequence
from statistics import median

from bench.report import spread
from bench.warm import Timed


def middle(timed: Sequence[Timed]) -> float:
    """The median of the seconds."""
    return median(one.seconds for one in timed)


def span(timed: Sequence[Timed]) -> str:
    return spread([one.seconds for one in timed])


def share(values: Sequence[float], part: float) -> float:
    """The least value that `part` of all do not exceed, as p95 is for 0.95."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
