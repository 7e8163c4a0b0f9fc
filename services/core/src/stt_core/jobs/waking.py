"""The wake file: what tells autostart that a service has work, also while it is asleep and after a reboot.

It holds a Unix time in decimal seconds, from which on there is work, and exists exactly while there is some.
"""

import os
import threading
import time
from pathlib import Path

NAME = "wake_at"
TRUSTED_SECONDS = 1.0
"""So long the file is taken to be as it was written: a hundred jobs that come at once look at it once."""


class WakeFile:
    """In the folder of the jobs. Readable by whoever may look into the folder; two slots may write it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._lock = threading.Lock()
        self._seen: tuple[float | None, float] = (None, -TRUSTED_SECONDS)

    def write(self, at: float | None) -> None:
        """at: from when on there is work; None where none is left. A power cut does not undo it."""
        seen, when = self._seen
        if at is not None and seen == at and time.monotonic() < when + TRUSTED_SECONDS:
            return
        with self._lock:
            self._seen = at, time.monotonic()
            if self._read() == (None if at is None else _line(at)):
                return
            if at is None:
                self._path.unlink(missing_ok=True)
                return
            beside = self._path.with_name(f".{NAME}.{os.getpid()}")
            with beside.open("w") as file:
                file.write(_line(at))
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _read(self) -> str | None:
        try:
            return self._path.read_text(errors="replace")
        except OSError:
            return None


def _line(at: float) -> str:
    return f"{at:.3f}\n"
