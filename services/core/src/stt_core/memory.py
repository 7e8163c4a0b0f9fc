"""How much memory this process has, and may have."""

import os
from pathlib import Path

from stt_core import cgroup

PAGE = os.sysconf("SC_PAGE_SIZE")
UNLIMITED = 1 << 50
"""Above this a limit of version 1's control groups means that there is none."""


def used(process: int | str = "self") -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE


def limit(root: Path = Path("/")) -> int | None:
    """Bytes that the control groups (v2 and v1) allow; None where they allow all."""
    limits = [_limit(folder) for folder in cgroup.folders("memory", root)]
    return min((limit for limit in limits if limit is not None and limit < UNLIMITED), default=None)


def _limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):
            continue
    return None
