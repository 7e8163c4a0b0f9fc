"""The Docker engine that the test hosts run in, as `prepare` left it."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "greffier/vps")
PREPARE = Path(__file__).with_name("prepare")


class VpsError(Exception):
    """The test host could not be made, or a command on it failed; the message carries what it said."""


@dataclass(frozen=True)
class Engine:
    """`socket` is a unix:// address; the images are tags that exist there, those of hosts by their kind."""

    socket: str
    python_image: str
    hosts: Mapping[str, str]

    def docker(self, *arguments: str, timeout: float = 120, out: IO[bytes] | None = None) -> str:
        """Run the client; what it prints, unless that goes `out`. Raises VpsError with what it says."""
        environment = os.environ | {"DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(CACHE / "tools/config")}
        done = subprocess.run(
            [CACHE / "tools/usr/bin/docker", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise VpsError(f"docker {' '.join(arguments[:2])}: {done.stderr.strip() or (done.stdout or '').strip()}")
        return (done.stdout or "").strip()


def prepared() -> Engine:
    """The engine, answering. Raises VpsError when `prepare` has to run first."""
    try:
        found = Engine(**json.loads((CACHE / "prepared.json").read_text()))
        for image in found.hosts.values():
            found.docker("image", "inspect", image, "--format", "{{.Id}}")
    except (OSError, TypeError, VpsError) as error:  # the second: by an older `prepare`
        raise VpsError(f"The test hosts are not prepared ({error}). As root, run: {PREPARE}") from None
    return found
