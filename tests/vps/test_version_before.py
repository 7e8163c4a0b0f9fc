"""A host that the version before deployed, in the hands of this one: its record, its releases, and those who call."""

import subprocess
from pathlib import Path

import pytest

from deploy import ROOT
from tests.vps import shared
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import Client, Laptop, beginning, host, inventory, service, until
from tests.vps.test_load import Load

BEFORE = "cbf3927e"
"""The last commit whose releases kept no manifest."""
ENOUGH = 600
"""Requests, at ten a second."""


def kit_of(commit: str, folder: Path) -> Path:
    """The kit as it was. Git has it: this test needs a clone with its history."""
    folder.mkdir()
    archive = subprocess.run(("git", "-C", str(ROOT), "archive", commit), stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(("tar", "--extract", "--directory", str(folder)), input=archive, check=True)
    return folder


@pytest.mark.long
def test_this_version_takes_over_what_the_one_before_deployed(internet: Internet, tmp_path: Path) -> None:
    def written(queue: int) -> dict[str, object]:
        return inventory({"elder": host("elder")}, {"whisper": service(environment={"STT_QUEUE": str(queue)})})

    with Host("elder", internet, "server") as elder:
        old = Laptop(tmp_path / "old", internet, written(101), kit_of(BEFORE, tmp_path / "kit"))
        old.cli("setup", "elder")
        old.cli("deploy")
        client = Client(elder, old.user("anna"))
        old.write(written(102))
        old.cli("deploy")
        said = client.transcript(beginning(3))
        assert "fellow americans" in said
        new = Laptop(tmp_path / "new", internet, written(102))
        new.cli("setup", "elder")
        with Load(client).running() as load, shared.image(elder):
            print(new.cli("plan", status=4))
            new.cli("deploy")
            assert new.cli("plan").strip() == "elder: nothing to do."
            # Both were kept without a manifest; their image is still on the host.
            new.cli("rollback", "2")
            new.cli("rollback", "1")
            new.cli("deploy")
            until(lambda: load.count >= ENOUGH, "enough requests", 300)
        results = load.results()
        assert set(results) == {"200", said}, results
        did = [entry["did"] for entry in new.data("audit")]
        assert did == ["deploy"] * 3 + ["rollback to 2", "rollback to 1", "deploy"]
        assert new.cli("plan").strip() == "elder: nothing to do."
        new.cli("destroy", "--yes", "--volumes")
        assert elder.ssh("docker ps --all --quiet").strip() == ""
