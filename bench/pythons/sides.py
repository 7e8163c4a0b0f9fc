"""Two Pythons that do the same in turns, and what each took."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.report import Figure, Goal
from deploy import ROOT

OLD, NEW = "3.11", "3.13"
"""Debian 12's Python and Debian 13's."""
GOAL = Goal("at least", 0.97)


@dataclass(frozen=True)
class Side:
    """A Python with the environments of the services and of autostart; scripts/bench makes them."""

    version: str

    @property
    def services(self) -> Path:
        return self._environment("faster-whisper")

    @property
    def autostart(self) -> Path:
        return self._environment("autostart")

    def _environment(self, name: str) -> Path:
        return ROOT / ".venvs" / f"python{self.version}" / name / "bin" / "python"


def in_turns(rounds: int, old: Callable[[], float], new: Callable[[], float]) -> tuple[list[float], list[float]]:
    """What each gave; who begins changes with every round, since what comes second finds a warmer machine."""
    before, after = [], []
    for number in range(rounds):
        if number % 2:
            after.append(new())
            before.append(old())
        else:
            before.append(old())
            after.append(new())
    return before, after


def faster(what: str, unit: str, measured: tuple[list[float], list[float]]) -> Figure:
    """How much faster the newer Python is; the unit is one of time (the less the better), or of a rate."""
    before, after = map(median, measured)
    ratio = after / before if unit.endswith("/s") else before / after
    how = f"medians of {len(measured[0])} in turns, {after:.4g} against {before:.4g} {unit}"
    return Figure(f"{what} (speed on Python {NEW} against {OLD})", ratio, how, GOAL)
