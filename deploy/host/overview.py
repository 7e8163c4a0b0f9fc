"""What `status` shows of a host, looked at in one go.

Standard input, one JSON document:
    {"files": [path], "config": autostart's, "commands": {name: [word]}, "socket": autostart's}

Standard output, one JSON document:

    files      {path: text} of those that are there, of autostart's configuration, and of the compose files it names
    commands   {name: what it printed}
    services   as autostart tells of them, each with `memory` {used, limit}, or null where nothing runs; empty where
               autostart does not answer
    memory     {whole, free} of the host

Sizes are bytes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

MAX_REQUEST = 1 << 20  # bytes
MAX_TEXT = 4 << 20  # bytes of a file or an answer
SECONDS = 10.0
DOCKER = "/var/run/docker.sock"
CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")


class _Docker(http.client.HTTPConnection):
    """Docker's API, without its client: `docker stats` takes two seconds, since it tells of the processor too."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(DOCKER)


def used(stats: dict[str, Any]) -> dict[str, int] | None:
    """What `docker stats` shows: without the file cache that the kernel gives back at need. None: it does not run."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    more = memory.get("stats") or {}
    cache = more.get("total_inactive_file", more.get("inactive_file", 0))  # cgroup v1 and v2
    return {"used": max(0, memory["usage"] - cache), "limit": memory["limit"]}


def of_container(name: str) -> dict[str, int] | None:
    if not CONTAINER.fullmatch(name):
        return None
    connection = _Docker("docker", timeout=SECONDS)
    try:
        connection.request("GET", f"/containers/{name}/stats?stream=false&one-shot=true")
        response = connection.getresponse()
        return used(json.loads(response.read(MAX_TEXT))) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def of_process(pid: int, whole: int) -> dict[str, int] | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return {"used": int(line.split()[1]) << 10, "limit": whole}
    return None


def of_host() -> dict[str, int]:
    found = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    return {key: int(found[name].split()[0]) << 10 for key, name in (("whole", "MemTotal"), ("free", "MemAvailable"))}


def of_service(entry: dict[str, Any], whole: int) -> dict[str, int] | None:
    """Of everything that runs for a service; None while nothing does."""
    if entry.get("driver") == "process":
        parts = [of_process(entry["pid"], whole)] if entry.get("pid") else []
    else:
        parts = [of_container(name) for name in entry.get("containers") or ()]
    found = [part for part in parts if part]
    return {key: sum(part[key] for part in found) for key in ("used", "limit")} if found else None


def ask(path: Path) -> list[dict[str, Any]]:
    """autostart's services. Asked here and not by its own client: that may be of another release than this kit."""
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")  # a path may be too long for an address
            connection.sendall(b'{"command": "status", "name": null}\n')
            with connection.makefile("rb") as file:
                return list(json.loads(file.read(MAX_TEXT))["services"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def compose_files(config: str) -> list[str]:
    """What the services of autostart's configuration are made of."""
    try:
        return [f"{entry['composeDir']}/compose.yml" for entry in json.loads(config)["services"].values()]
    except (ValueError, LookupError, AttributeError, TypeError):
        return []


def text_of(path: str) -> str | None:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(MAX_TEXT).decode(errors="replace")
    return None


def main() -> int:
    request = json.loads(sys.stdin.buffer.read(MAX_REQUEST))
    running = {}
    for name, words in request["commands"].items():
        with contextlib.suppress(OSError):  # a program that is not there says nothing
            running[name] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
    memory = of_host()
    config = request.get("config", "")
    asked = [*request["files"], config, *compose_files(text_of(config) or "")]
    files = {path: text for path in asked for text in [text_of(path)] if text is not None}
    services = [{**entry, "memory": of_service(entry, memory["whole"])} for entry in ask(Path(request["socket"]))]
    printed = {name: process.communicate()[0].decode(errors="replace") for name, process in running.items()}
    print(json.dumps({"files": files, "commands": printed, "services": services, "memory": memory}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
