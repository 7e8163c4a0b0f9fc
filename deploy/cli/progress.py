"""Live progress of long steps on a terminal; plain lines in a pipe."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class _PlainBar:
    """In a pipe: a line at the start of a step, and then one every ten seconds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._next = time.monotonic() + 10

    def update(self, done: int, total: int, text: str = "") -> None:
        if total and time.monotonic() >= self._next:
            self._next = time.monotonic() + 10
            print(f"  {self.title}: {done * 100 // total} %", file=sys.stderr, flush=True)


class _PlainReporter:
    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    warn = say

    @contextmanager
    def step(self, title: str) -> Iterator[_PlainBar]:
        began = time.monotonic()
        print(f"{title} ...", file=sys.stderr, flush=True)
        yield _PlainBar(title)
        print(f"{title}: done in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)

    def still(self) -> nullcontext[None]:
        return nullcontext()


class _RichBar:
    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def update(self, done: int, total: int, text: str = "") -> None:
        size = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total >= 1_000_000 else ""
        shown = " ".join(part for part in (size, text[:60]) if part)
        self._progress.update(self._task, completed=done, total=total or None, detail=shown)


class _RichReporter:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def say(self, text: str) -> None:
        self._progress.console.print(escape(text))

    def warn(self, text: str) -> None:
        self._progress.console.print(escape(text), style="yellow")

    @contextmanager
    def still(self) -> Iterator[None]:
        """The bars go: drawing them anew would wipe the question out."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    @contextmanager
    def step(self, title: str) -> Iterator[_RichBar]:
        began = time.monotonic()
        task = self._progress.add_task(title, total=None, detail="")
        try:
            yield _RichBar(self._progress, task)
        finally:
            self._progress.remove_task(task)
        took = time.monotonic() - began
        self._progress.console.print(f"[green]✓[/] {escape(title)} [dim]{took:.1f} s[/]")


@contextmanager
def reporter() -> Iterator[_PlainReporter | _RichReporter]:
    """Live progress on a terminal, lines elsewhere; both on standard error."""
    if not err.is_terminal:
        yield _PlainReporter()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield _RichReporter(progress)
