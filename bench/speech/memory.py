"""Memory of a process, as the kernel counts it."""

import re
from pathlib import Path


def resident(pid: int) -> int:
    """Bytes in memory now."""
    return _read(pid, "VmRSS")


def peak(pid: int) -> int:
    """Bytes in memory at the most, since the process began or `forget`."""
    return _read(pid, "VmHWM")


def forget(pid: int) -> None:
    """The most since now, from here on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _read(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, f"Linux tells {name} of every process"
    return int(found[1]) * 1024
