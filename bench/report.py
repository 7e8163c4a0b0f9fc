"""The figures of a bench: a table on standard output, and bench/results/<name>.json."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PIPE_WIDTH = 140
"""Columns of the table where there is no terminal to ask."""


@dataclass(frozen=True)
class Goal:
    """What a value must be."""

    relation: Literal["at least", "at most"]
    bound: float

    def met(self, value: float) -> bool:
        return value >= self.bound if self.relation == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.relation} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One measured value; `figure` names its unit, `note` says how it was measured.

    value: None where it could not be measured; the note says why.
    """

    figure: str
    value: float | None
    note: str
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether the value as it is shown meets the goal; None where there is neither goal nor failure."""
        if self.shown is None:
            return False
        return self.goal.met(self.shown) if self.goal else None

    @property
    def shown(self) -> float | None:
        """Rounded to three figures behind the point, or to four in all where it is large."""
        if self.value is None:
            return None
        return round(self.value, 3) if abs(self.value) < 1000 else float(f"{self.value:.4g}")


def spread(seconds: Sequence[float]) -> str:
    """The least and the most, for a note."""
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


def machine() -> str:
    """The machine, in general words."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} core{'s' * (cores != 1)}"


def publish(name: str, figures: Sequence[Figure], keep: bool = True) -> None:
    """Print the table and, where it shall be kept, write the JSON."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    table = Table(title=f"{name}: {machine()}", title_justify="left", header_style="bold")
    for column in ("figure", "value", "goal", "met", "note"):
        table.add_column(column, justify="right" if column == "value" else "left")
    words = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    for one in figures:
        goal = str(one.goal) if one.goal else ""
        value = "" if one.shown is None else f"{one.shown:g}"
        table.add_row(escape(one.figure), value, goal, words[one.met], escape(one.note))
    console.print(table)
    missed = [one.figure for one in figures if one.met is False]
    goals = sum(one.met is not None for one in figures)
    console.print(f"{goals - len(missed)} of {goals} goals met." + (f" Missed: {'; '.join(missed)}." if missed else ""))
    if not keep:
        return
    rows = [
        {
            "figure": one.figure,
            "value": one.shown,
            "goal": str(one.goal) if one.goal else None,
            "met": one.met,
            "note": one.note,
        }
        for one in figures
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
