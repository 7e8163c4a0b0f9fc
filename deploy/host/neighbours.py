"""What else lives on a host: who listens, which containers and units there are, and what nginx reads.

One look, as JSON, for the laptop to judge. The environment of containers is left out: it holds secrets. So are the
arguments of programs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds for one of the host's commands
MAX_TEXT = 1 << 20  # bytes of a unit or of a file of settings
UNITS = Path("/etc/systemd/system")
NGINX = Path("/etc/nginx")
HEADING = re.compile(r"^# configuration file (/.+):$", re.M)

_CONTAINER = (
    '{"id":{{json .Id}},"name":{{json .Name}},"running":{{json .State.Running}},'
    '"ports":{{json .HostConfig.PortBindings}},"restart":{{json .HostConfig.RestartPolicy}},'
    '"temporary":{{json .HostConfig.AutoRemove}},"labels":{{json .Config.Labels}}}'
)
_PROPERTIES = "--property=Id,ActiveState,SubState,UnitFileState,FragmentPath"


def owner(cgroup: str) -> tuple[str, str]:
    """(service, container id) that a process belongs to, from /proc/PID/cgroup; empty where it is neither's. A user's
    own services are not the system's."""
    container = re.search(r"/docker[-/]([0-9a-f]{64})", cgroup)
    if container:
        return "", container[1]
    service = re.search(r":/(?!user\.slice)(?:[^/\n]+\.slice/)*([^/\n]+\.service)", cgroup)
    return (service[1], "") if service else ("", "")


def _said(*command: str) -> tuple[int, str, str]:
    """(status, standard output, errors) of a command; nothing where there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def _process(pid: str) -> dict[str, str]:
    process = Path("/proc") / pid
    service = container = folder = ""
    with contextlib.suppress(OSError):  # it has ended
        service, container = owner((process / "cgroup").read_text(encoding="utf-8", errors="replace"))
        folder = os.readlink(process / "cwd")
    return {"service": service, "container": container, "folder": folder}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= MAX_TEXT else ""
    except OSError:
        return ""


def _containers() -> list[Any]:
    listed = _said("docker", "ps", "--all", "--quiet", "--no-trunc")[1].split()
    shown = _said("docker", "inspect", "--format", _CONTAINER, *listed)[1] if listed else ""
    return [json.loads(line) for line in shown.splitlines() if line]


def _units(running: Iterable[str]) -> tuple[str, dict[str, str], dict[str, str]]:
    """What systemd says of these units and of those that somebody wrote for this host; the text of the latter; and
    where their files lie, of those that are links."""
    found = (path for kind in ("*.service", "*.socket") for path in UNITS.glob(kind))
    written = [path for path in found if path.is_file() and "@." not in path.name]
    names = sorted({*running, *(path.name for path in written)})
    shown = _said("systemctl", "show", _PROPERTIES, "--", *names)[1] if names else ""
    links = {path.name: os.path.realpath(path) for path in written if path.is_symlink()}
    return shown, {path.name: _text(path) for path in written}, links


def _settings(texts: Iterable[str], folders: Iterable[str]) -> dict[str, str]:
    """Files of settings that units name, or that lie where programs run: those that list services."""
    named = {word for text in texts for word in re.findall(r"/[^\s\"'=]+\.json\b", text)}
    places = {word for text in texts for word in re.findall(r"^WorkingDirectory=-?(/.+)$", text, re.M)}
    found = {}
    for name in sorted(named | {f"{place.rstrip('/')}/config.json" for place in {*places, *folders} if place}):
        text = _text(Path(name))
        with contextlib.suppress(ValueError, RecursionError):
            content = json.loads(text)
            if isinstance(content, dict) and isinstance(content.get("services"), dict):
                found[name] = text
    return found


def _file(path: str) -> dict[str, str]:
    try:
        link = os.readlink(path) if os.path.islink(path) else ""
        return {"link": link, "digest": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
    except OSError:
        return {"link": "", "digest": ""}


def look() -> dict[str, Any]:
    sockets = _said("ss", "--listening", "--tcp", "--numeric", "--processes", "--no-header")[1]
    processes = {pid: _process(pid) for pid in sorted(set(re.findall(r"\bpid=(\d+)", sockets)))}
    waiting = _said("systemctl", "list-sockets", "--no-legend", "--no-pager")[1]
    running = {process["service"] for process in processes.values()} | set(re.findall(r"\S+\.socket\b", waiting))
    shown, texts, links = _units(running - {""})
    status, dump, errors = _said("nginx", "-T")
    return {
        "sockets": sockets,
        "waiting": waiting,
        "processes": processes,
        "containers": _containers(),
        "units": shown,
        "texts": texts,
        "links": links,
        "settings": _settings(texts.values(), (process["folder"] for process in processes.values())),
        "nginx": dump if status == 0 else "",
        "refused": errors if status not in (0, 127) else "",
        "files": {path: _file(path) for path in HEADING.findall(dump)},
        "aside": [str(path) for path in NGINX.rglob("*.bak*")],
    }


def main() -> int:
    print(json.dumps(look()))
    return 0
