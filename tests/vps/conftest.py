"""Test hosts, prepared first where the cache lacks something; and two that a laptop deploys to."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.vps import shared
from tests.vps.engine import PREPARE
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import Client, Laptop, host, inventory

LONGEST = ("cut_off", "whisperx", "hosts", "deploy", "adopt", "debian13", "upgrade", "kinds", "load")
"""The files that take longest, in the order they are begun; the others come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: known.get(item.path.stem, len(known)))


@pytest.fixture(scope="session")
def internet() -> Iterator[Internet]:
    # Where several run side by side, somebody has prepared for all of them.
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    if alone and subprocess.run([PREPARE], stdin=subprocess.DEVNULL, check=False).returncode:
        pytest.fail(f"{PREPARE} did not succeed; it says why above.", pytrace=False)
    with Internet() as internet:
        yield internet


@pytest.fixture(scope="session")
def alpha(internet: Internet) -> Iterator[Host]:
    """A host that was set up and deployed to, reached as root, with an authority of its own."""
    with Host("alpha", internet, "server") as host:
        yield host


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory, internet: Internet, alpha: Host) -> tuple[Laptop, Client]:
    laptop = Laptop(tmp_path_factory.mktemp("office"), internet, inventory({"alpha": host("alpha")}))
    laptop.cli("setup", "alpha")
    with shared.image(alpha):
        laptop.cli("deploy")
    return laptop, Client(alpha, laptop.user("anna"))


@pytest.fixture
def laptop(office: tuple[Laptop, Client]) -> Laptop:
    """The laptop that alpha is deployed from: by the standard inventory, whatever the test before did to it."""
    laptop, _ = office
    laptop.write(inventory({"alpha": host("alpha")}))
    laptop.cli("deploy")
    return laptop


@pytest.fixture
def client(office: tuple[Laptop, Client], laptop: Laptop) -> Client:
    """Somebody who may use what runs on alpha."""
    return office[1]
