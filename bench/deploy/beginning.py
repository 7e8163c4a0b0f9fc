"""The first deploy of a host: all of it, and where the image and the model are there already."""

import sys
from collections.abc import Iterator

from bench.deploy.scene import Scene
from bench.deploy.tools import timed
from bench.report import Figure
from deploy import ROOT
from deploy.reporting import Reporter

KEPT = "kept"


def measure(there: Scene, report: Reporter) -> Iterator[Figure]:
    """Figures of `setup` and `deploy` on a bare host; it stands deployed afterwards. Raises RuntimeError."""
    with report.step("Setting up a bare host"):
        how = "packages from a mirror on this machine"
        yield Figure("setup of a bare host (s)", _cli(there, "setup", there.host.name), how)
    with report.step("The first deploy"):
        how = "the image built there with wheels of this machine, the model fetched from this machine"
        yield Figure("first deploy, image and model and all (s)", _cli(there, "deploy"), how)
    with report.step("The first deploy again, with the image and the model"):
        # `destroy` takes the kit's images by their names.
        named = "docker images --format '{{.Repository}}:{{.Tag}}' 'greffier/*'"
        image = there.host.ssh(named).strip()
        there.host.ssh(f"docker tag {image} {KEPT}")
        _cli(there, "destroy", "--yes")
        _cli(there, "setup", there.host.name)
        there.host.ssh(f"docker tag {KEPT} {image} && docker rmi {KEPT}")
        how = "every file, certificates, the container; the service started, asked and put to sleep"
        yield Figure("first deploy, image and model there (s)", _cli(there, "deploy"), how)


def _cli(there: Scene, *words: str) -> float:
    return timed((sys.executable, str(ROOT / "cli.py"), *words), there.environment()).seconds
