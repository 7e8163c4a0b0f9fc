"""What a deploy must know of a host before it changes anything there: room, memory, Docker, nginx. In one look.

Reads {"free": [paths], "docker": bool, "nginx": bool} from standard input, and prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 20
"""For each command. A Docker engine that hangs shall not hang the deploy."""
DOCKER_ROOT = "/var/lib/docker"


def main() -> int:
    request = json.loads(sys.stdin.buffer.read())
    paths = list(request["free"])
    found: dict[str, Any] = {"memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}
    if request["docker"]:
        found["docker"] = docker = _docker()
        paths.append(docker["root"])
    if request["nginx"]:
        status, words = _said("nginx", "-t")
        found["nginx"] = words if status else ""
    found["free"] = {path: _free(Path(path)) for path in paths}
    print(json.dumps(found))
    return 0


def _docker() -> dict[str, str]:
    """Version and folder of the engine; an empty version and its words where it does not answer."""
    status, words = _said("docker", "info", "--format", "{{json .ServerVersion}} {{json .DockerRootDir}}")
    try:
        version, root = map(json.loads, words.split("\n")[0].split(" ", 1))
    except ValueError:
        version, root = "", ""
    if status or not version:
        return {"version": "", "root": DOCKER_ROOT, "said": words}
    status, words = _said("docker", "compose", "version")
    return {"version": version, "root": root or DOCKER_ROOT, "compose": "" if status else words.strip()}


def _said(*command: str) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        return 127, f"{command[0]} is not installed on the host"
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(command[:2])} gave no answer within {SECONDS} s"
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def _free(path: Path) -> list[int]:
    """[file system, bytes free on it] where the path is, or will be."""
    while not path.exists():
        path = path.parent
    free = os.statvfs(path)
    return [path.stat().st_dev, free.f_bavail * free.f_frsize]
