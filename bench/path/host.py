"""What the bench deploys: the kit's own host in a folder of its own, and the programs around it."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT
from deploy.client import demo
from deploy.config.stack import HostStack, ServiceStack
from deploy.reporting import Reporter
from deploy.rollout import verify
from deploy.state import users
from deploy.state.users import Key
from deploy.transport.targets import Target

MODEL = "Systran/faster-whisper-base"
SERVICE = "whisper"

INVENTORY = f"""\
hosts:
  bench:
    runtime: process
    tls: {{mode: internal}}
    request_rate: 100000  # the load comes from one address
services:
  {SERVICE}: {{kind: faster-whisper, model: {MODEL}, idle: never}}
"""

AUTOSTART = ROOT / ".venvs" / "autostart" / "bin" / "python"
SERVICES = ROOT / ".venvs" / "faster-whisper" / "bin" / "python"


@dataclass(frozen=True)
class Deployed:
    """A host of this machine with its one service, and a user's key for it."""

    host: HostStack
    service: ServiceStack
    target: Target
    key: Key

    @property
    def base_url(self) -> str:
        return self.host.base_url(self.service)

    @property
    def trust(self) -> ssl.SSLContext:
        return verify.trust(self.host, self.target)


def inventory(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "inventory.yml"
    path.write_text(INVENTORY)
    return path


@contextmanager
def deployed(folder: Path, report: Reporter) -> Iterator[Deployed]:
    """The kit's deploy, as `cli.py deploy` does it; at the end nothing of it runs. Raises KitError."""
    with demo.running(inventory(folder), report) as (space, host):
        target = space.target(host)
        yield Deployed(host, host.services[0], target, users.add(target, host.layout, "bench"))


def environment(**more: str) -> dict[str, str]:
    """The little that a program of the bench gets of this shell's environment."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | more
