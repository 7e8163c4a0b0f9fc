"""Two Pythons that do the same in turns, and what each took.

Each is its release's own, as Debian builds it, in a root that scripts/on-debian makes: others are built otherwise, and
some are a fifth slower for that alone. scripts/bench shows this machine's folders in both roots.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.report import Figure, Goal
from deploy.workspace import models_folder

OLD, NEW = "Debian 12's Python", "Debian 13's"
ROOTS = models_folder().parent / "debian"
GOAL = Goal("at least", 0.97)


ENVIRONMENTS = Path("/greffier/.venvs")
"""Where both roots have them."""
SERVICES, AUTOSTART = (ENVIRONMENTS / name / "bin" / "python" for name in ("faster-whisper", "autostart"))


@dataclass(frozen=True)
class Side:
    """What starts SERVICES and AUTOSTART in one of the roots; what these start in turn is there already."""

    services: Path
    autostart: Path

    @property
    def version(self) -> str:
        return subprocess.check_output((self.services, "-V"), text=True).strip()


def side(release: str, folder: Path) -> Side:
    """release: such as "trixie". In the folder are programs that start what is in its root."""
    there = folder / release
    there.mkdir()
    services, autostart = there / "services", there / "autostart"
    for program, python in ((services, SERVICES), (autostart, AUTOSTART)):
        program.write_text(f'#!/bin/sh\nexec chroot "{ROOTS / release}" {python} "$@"\n')
        program.chmod(0o755)
    return Side(services, autostart)


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
    return Figure(f"{what} (speed on {NEW} against {OLD})", ratio, how, GOAL)
