"""How much memory this process has, and how much it may have. Linux."""

import ctypes
import os
from pathlib import Path

from stt_core.cores import groups


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def trim() -> None:
    """Give what was freed back to the system; with another C library than glibc this does nothing."""
    if give := getattr(ctypes.CDLL(None), "malloc_trim", None):
        give(0)


def limit(root: Path = Path("/")) -> int | None:
    """Bytes that the control groups (v2 and v1) leave to it; None where there is no limit."""
    limits = [value for folder in groups("memory", root) if (value := _limit(folder)) is not None]
    return min(limits, default=None)


def _limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        # v1 says "no limit" by a number that no machine has.
        return int(text) if text.isdecimal() and int(text) < 2**60 else None
    return None
