"""How much memory this process has, and how much it may have. Linux."""

import ctypes
import os
from pathlib import Path

from stt_core.cores import groups
from stt_core.errors import StartError


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


def available(root: Path = Path("/")) -> int:
    """Bytes that it can still take: what the machine has left, or the control groups leave of their limits.

    What they keep of files can be given up, so it counts as left.
    """
    left = [value - _used(folder) for folder in groups("memory", root) if (value := _limit(folder)) is not None]
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        left += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        pass
    return max(0, min(left, default=2**62))


def require(needed: int, what: str, root: Path = Path("/")) -> None:
    """Raises StartError, with the figures, where less is left than that."""
    left = available(root)
    if left < needed:
        raise StartError(
            f"Not enough memory: loading {what} takes about {needed / 1e9:.1f} GB, and this service has "
            f"{left / 1e9:.1f} GB left. Give it more memory, or choose a smaller model."
        )


def _used(folder: Path) -> int:
    for name in ("memory.current", "memory.usage_in_bytes"):
        try:
            used = int((folder / name).read_text())
            rows = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
            kept = {key: int(value) for key, value in rows}
        except (OSError, ValueError):
            continue
        # v1 counts those below a group in figures of their own.
        begin = "total_" if "total_inactive_file" in kept else ""
        return used - kept.get(f"{begin}inactive_file", 0) - kept.get(f"{begin}active_file", 0)
    return 0


def _limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        # v1 says "no limit" by a number that no machine has.
        return int(text) if text.isdecimal() and int(text) < 2**60 else None
    return None
