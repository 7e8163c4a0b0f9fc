"""How many cores this process really has."""

import math
import os
from pathlib import Path

from stt_core import cgroup


def available(root: Path = Path("/")) -> int:
    """Cores by affinity, and by the processor quota of the control groups (v2 and v1) where there is one."""
    quotas = [quota for quota in map(_quota, cgroup.folders("cpu", root)) if quota is not None]
    return max(1, min([len(os.sched_getaffinity(0)), *(math.ceil(quota) for quota in quotas)]))


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
