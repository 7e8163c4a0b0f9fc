"""Test hosts, prepared first where the cache lacks something."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.vps.engine import PREPARE
from tests.vps.internet import Internet


@pytest.fixture(scope="session")
def internet() -> Iterator[Internet]:
    if subprocess.run([PREPARE], stdin=subprocess.DEVNULL, check=False).returncode:
        pytest.fail(f"{PREPARE} did not succeed; it says why above.", pytrace=False)
    with Internet() as internet:
        yield internet
