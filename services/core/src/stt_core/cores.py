"""How many cores this process really has."""

import math
import os
from pathlib import Path, PurePosixPath


def available(root: Path = Path("/")) -> int:
    """Cores by affinity, and by the processor quota of the control groups (v2 and v1) where there is one."""
    quotas = [quota for quota in map(_quota, groups("cpu", root)) if quota is not None]
    return max(1, min([len(os.sched_getaffinity(0)), *(math.ceil(quota) for quota in quotas)]))


def groups(controller: str, root: Path) -> list[Path]:
    """The control groups of this process and those above; inside a container its own is the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = ["", "unified"] if not controllers else [controllers, controller]
        if controllers and controller not in controllers.split(","):
            continue
        for name in names:
            mount = root / "sys/fs/cgroup" / name
            inside = PurePosixPath(path.lstrip("/"))
            folders += [mount / part for part in (inside, *inside.parents)]
    return folders


def _quota(folder: Path) -> float | None:
    try:
        if (limit := folder / "cpu.max").exists():
            quota, period = limit.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return int(quota) / int(period) if quota.lstrip("-").isdigit() and int(quota) > 0 else None
    except (OSError, ValueError):
        return None
