"""The Docker engine that the test hosts run in, as `prepare` left it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "greffier/vps")
PREPARE = Path(__file__).with_name("prepare")


class VpsError(Exception):
    """The test host could not be made, or a command on it failed; the message carries what it said."""


@dataclass(frozen=True)
class Engine:
    """`socket` is a unix:// address; the images are tags that exist there."""

    socket: str
    host_image: str
    python_image: str

    def docker(self, *arguments: str, timeout: float = 120) -> str:
        """Run the client; what it prints. Raises VpsError with what it says."""
        environment = os.environ | {"DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(CACHE / "tools/config")}
        done = subprocess.run(
            [CACHE / "tools/usr/bin/docker", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise VpsError(f"docker {' '.join(arguments[:2])}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()


def prepared() -> Engine:
    """The engine, answering. Raises VpsError when `prepare` has to run first."""
    try:
        found = Engine(**{key: str(value) for key, value in json.loads((CACHE / "prepared.json").read_text()).items()})
        found.docker("image", "inspect", found.host_image, "--format", "{{.Id}}")
    except (OSError, VpsError) as error:
        raise VpsError(f"The test hosts are not prepared ({error}). As root, run: {PREPARE}") from None
    return found
