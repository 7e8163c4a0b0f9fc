"""A host to deploy to, as the tests have it, and the laptop that everything is run from."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vps import laptop
from tests.vps.engine import PREPARE, VpsError
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import Laptop

NAME = "bench"


@dataclass(frozen=True)
class Scene:
    """`folder` is the laptop's own."""

    folder: Path
    host: Host
    laptop: Laptop

    def environment(self, **more: str) -> dict[str, str]:
        """What a program gets of this shell's environment: the same for all of them. Python may keep its bytecode, as
        on any laptop."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        ours = {name: self.laptop.environment[name] for name in ("PATH", "GREFFIER_INVENTORY")}
        return kept | ours | more

    def write(self, idle: str = "10m", **more: object) -> None:
        """The inventory, with one of its lines changed."""
        self.laptop.write(laptop.inventory({NAME: laptop.host(NAME)}, {"whisper": laptop.service(idle=idle, **more)}))

    def accepted(self) -> int:
        """Connections that the host's sshd has let in so far, this question's own among them."""
        # The journal lags behind.
        return int(self.host.ssh("journalctl --sync; journalctl --output cat _COMM=sshd | grep -c '^Accepted '"))


@contextmanager
def standing() -> Iterator[Scene]:
    """A bare host that goes at the end. Raises VpsError."""
    if subprocess.run([PREPARE], stdin=subprocess.DEVNULL, check=False).returncode:
        raise VpsError(f"{PREPARE} did not succeed; it says why above.")
    with tempfile.TemporaryDirectory(prefix="greffier-") as name, Internet() as internet, Host(NAME, internet) as host:
        folder = Path(name)
        there = Scene(folder, host, Laptop(folder / "laptop", internet, {}))
        there.write()
        yield there
