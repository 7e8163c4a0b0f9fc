"""A service's log: appended by the service itself, kept small from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
"""Above this the log is moved to `….1`, so a service's logs take twice this at most. Checked now and then."""

TAIL_BYTES = 64 * 1024
"""Enough for a line with a stack trace in it."""
MAX_LINE = 500
"""Characters of the last line that are shown to a caller."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LogFile:
    """The service writes through a file descriptor of its own, so it never waits for autostart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin = 0  # where the lines of this start begin

    def open(self) -> int:
        """A file descriptor for appending, mode 0640. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.keep_small()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._begin = os.fstat(descriptor).st_size
        return descriptor

    def keep_small(self) -> None:
        """Copy and truncate: the service holds the file open, so it cannot be renamed under its hands."""
        with contextlib.suppress(OSError):  # the log is a help, not a condition
            if self._path.stat().st_size > MAX_BYTES:
                shutil.copy(self._path, self._path.with_name(self._path.name + ".1"))
                os.truncate(self._path, 0)
                self._begin = 0

    def last_line(self) -> str:
        """The last line since the last `open`, as `last_line_of` shows it."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._begin, size - TAIL_BYTES))
                text = file.read(TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
        return last_line_of(text)


def last_line_of(text: str) -> str:
    """The last line with something in it, without colours, cut to a sensible length; or empty.

    Of a line that is a JSON object, what its stack trace ends in, or else its message.
    """
    for line in reversed(text.splitlines()):
        clean = _ESCAPES.sub("", _message(line)).strip()
        if clean:
            return clean if len(clean) <= MAX_LINE else clean[: MAX_LINE - 1] + "…"
    return ""


def _message(line: str) -> str:
    try:
        entry = json.loads(line)
        said = entry.get("exception") or entry["message"]
        return str(said.strip().splitlines()[-1])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return line
