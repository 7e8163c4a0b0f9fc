"""Ports of this machine: the usual ones where they are free, others where another program holds them."""

import json
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

TRIES = 200
NGINX = frozenset({"https", "http", "auth"})
"""What nginx listens for; the other ports are autostart's and those of the services it starts."""


def saved(root: Path) -> dict[str, int]:
    """The ports that an earlier deploy took, by what they are for."""
    try:
        return {str(k): int(v) for k, v in json.loads((root / "ports.json").read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def claim(root: Path, preferred: Mapping[str, int], running: Collection[str], avoid: Collection[int] = ()) -> list[str]:
    """Choose and keep a port for each purpose. `running`: units of ours that run, whose saved ports are not tried.
    `avoid`: ports that another host of the inventory took.
    Returns a sentence for each port that is not the usual one."""
    kept = saved(root)
    promised = _promised(root)
    chosen: dict[str, int] = {}
    for purpose, usual in preferred.items():
        before = kept.get(purpose)
        unit = "nginx" if purpose in NGINX else "autostart"
        if before and unit in running:
            chosen[purpose] = before
        else:
            others = set(preferred.values()) - {usual}
            chosen[purpose] = _choose(usual, {*avoid, *promised, *chosen.values(), *others})
    if chosen != kept:
        root.mkdir(parents=True, exist_ok=True)
        (root / "ports.json").write_text(json.dumps(chosen, indent=2) + "\n", encoding="utf-8")
    return [
        f"Port {usual} ({purpose.removeprefix('service:')}) is in use by another program; using {chosen[purpose]}."
        for purpose, usual in preferred.items()
        if chosen[purpose] != usual
    ]


def _promised(root: Path) -> set[int]:
    """Ports of services of other deployments that run: nobody listens there while such a service sleeps."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
            if "greffier_autostart" not in words:
                continue
            config = Path(words[words.index("--config") + 1])
            if not config.is_relative_to(root):
                for service in json.loads(config.read_text(encoding="utf-8"))["services"].values():
                    tcp = service.get("tcp", [])
                    found |= {int(service["proxyPort"]), *(int(one["port"]) for one in tcp)}
                    found |= {int(one["listen"][1]) for one in tcp}
        except (OSError, ValueError, LookupError, AttributeError, TypeError):  # gone, of another user, or no such file
            continue
    return found


def _choose(usual: int, taken: set[int]) -> int:
    for port in range(usual, min(usual + TRIES, 65536)):
        if port not in taken and free(port):
            return port
    return usual  # the program that fails to bind names it


def free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
