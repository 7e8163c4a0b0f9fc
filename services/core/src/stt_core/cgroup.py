"""The control groups that bound this process, as the kernel shows them (v2 and v1)."""

from pathlib import Path, PurePosixPath


def folders(controller: str, root: Path = Path("/")) -> list[Path]:
    """The groups of this process and those above; inside a container its own is the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = ["", "unified"] if not controllers else [controllers, controller]
        if controllers and controller not in controllers.split(","):
            continue
        for name in names:
            mount = root / "sys/fs/cgroup" / name
            inside = PurePosixPath(path.lstrip("/"))
            found += [mount / part for part in (inside, *inside.parents)]
    return found
