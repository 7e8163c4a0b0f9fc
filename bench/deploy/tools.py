"""Greffier, Ansible and pyinfra, run as their users run them."""

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.deploy.scene import Scene
from deploy import ROOT

PROGRAMS = ROOT / ".venvs" / "peers" / "bin"
HERE = ROOT / "bench" / "peers"


@dataclass(frozen=True)
class Ran:
    """Wall time in seconds, and how many of its tasks changed something."""

    seconds: float
    changed: int


class Tool(Protocol):
    """Something that keeps a host as it shall be, by the verbs `setup` and `deploy`."""

    @property
    def name(self) -> str: ...
    def run(self, verb: str) -> Ran:
        """Raises RuntimeError with what it printed."""


class Kit:
    """Greffier itself."""

    name = "Greffier"

    def __init__(self, scene: Scene) -> None:
        self._environment = scene.environment()
        self._words = {"setup": ("setup", scene.host.name)}

    def run(self, verb: str) -> Ran:
        words = self._words.get(verb, (verb,))
        done = timed((sys.executable, str(ROOT / "cli.py"), *words), self._environment)
        idle = "nothing to do" in done.printed or "already set up" in done.printed
        return Ran(done.seconds, 0 if idle else 1)


class Ansible:
    """ansible-core, with a playbook a verb."""

    name = "Ansible"

    def __init__(self, scene: Scene, state: Path) -> None:
        self._scene = scene
        self._state = state
        # A unix socket's path is short.
        self._control = scene.folder / "a"
        self._environment = scene.environment(
            ANSIBLE_CONFIG=str(HERE / "ansible" / "ansible.cfg"),
            ANSIBLE_HOME=str(scene.folder / "ansible"),
            ANSIBLE_SSH_CONTROL_PATH=str(self._control),
            LC_ALL="C.UTF-8",
        )

    def run(self, verb: str) -> Ran:
        name = self._scene.host.name
        playbook = HERE / "ansible" / f"{verb}.yml"
        given = ("-e", f"@{self._state}", "-e", f"here={HERE}")
        done = timed((str(PROGRAMS / "ansible-playbook"), "-i", f"{name},", *given, str(playbook)), self._environment)
        # The kept connection would serve whoever runs it again within a minute; each run here is the day's first.
        subprocess.run(
            ("ssh", "-o", f"ControlPath={self._control}", "-O", "exit", name),
            env=self._environment,
            capture_output=True,
            check=True,
        )
        return Ran(done.seconds, sum(map(int, re.findall(r"\bchanged=(\d+)", done.printed))))


class Pyinfra:
    """pyinfra, with a deploy file a verb."""

    name = "pyinfra"

    def __init__(self, scene: Scene, state: Path) -> None:
        self._environment = scene.environment(
            STATE=str(state),
            HOST=scene.host.name,
            SSH_CONFIG=str(scene.laptop.ssh_config),
            KNOWN_HOSTS=str(scene.host.known_hosts),
        )

    def run(self, verb: str) -> Ran:
        inventory, deploy = (HERE / "pyinfra" / name for name in ("inventory.py", f"{verb}.py"))
        done = timed((str(PROGRAMS / "pyinfra"), "--yes", str(inventory), str(deploy)), self._environment)
        total = re.search(r"Grand total +\S+ +(\S+)", done.printed)  # hosts, success, error, no change
        return Ran(done.seconds, int(total[1].replace("-", "0")) if total else 0)


@dataclass(frozen=True)
class Done:
    """A command that succeeded: wall time in seconds, and what it printed, errors last."""

    seconds: float
    printed: str


def timed(command: tuple[str, ...], environment: Mapping[str, str]) -> Done:
    """Raises RuntimeError with what it printed."""
    began = time.monotonic()
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    printed = done.stdout + done.stderr
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}:\n{printed}")
    return Done(seconds, printed)
