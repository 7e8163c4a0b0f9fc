"""The service's image, which one host builds and the others load: what they are for is something else."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.config import catalog
from tests.vps.host import IMAGES, Host
from tests.vps.internet import timed

KIND = "faster-whisper"


@contextmanager
def image(host: Host) -> Iterator[None]:
    """What is deployed to the host within finds the image there, or else builds it, for all that come after. They wait
    for it, also those of other processes."""
    name = f"greffier/{KIND}:{catalog.load()[KIND].digest[:16]}"
    base = host.internet.engine.python_image.rpartition(":")[2]
    file = IMAGES / f"{KIND}-{name.rpartition(':')[2]}-{base}.tar"
    with (IMAGES / f"{KIND}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            yield
            with timed(f"host {host.name}: image saved"):
                host.save(name, file)
            for other in IMAGES.glob(f"{KIND}-*.tar"):
                if other != file:
                    other.unlink()
            return
    with timed(f"host {host.name}: image loaded"):
        host.ssh(f"docker load --quiet --input /srv/images/{file.name}")
    yield
