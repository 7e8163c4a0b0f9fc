"""The version of the kit that a host's record carries: an older kit is refused, by PEP 440."""

import json
from collections.abc import Callable

import pytest
from packaging.version import Version

from deploy import VERSION
from deploy.config.stack import HostStack, Stack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.state import records
from tests.unit.conftest import ONE


@pytest.fixture
def host(resolved: Callable[[str], Stack]) -> HostStack:
    return resolved(ONE).hosts[0]


def record(kit: object) -> str:
    return json.dumps({"kit": kit, "release": 3, "files": {}})


ORDER = (
    *("0.1.0", "0.1.0.post1"),
    *("0.2.0.dev3", "0.2.0a1", "0.2.0b2", "0.2.0rc1", "0.2.0", "0.2.1"),
    *("0.10.0", "1.0.0rc1+local.1", "1.0.0"),
)


@pytest.mark.parametrize("mine", ORDER)
@pytest.mark.parametrize("theirs", ORDER)
def test_only_the_same_or_an_older_one_is_taken_over(
    host: HostStack, monkeypatch: pytest.MonkeyPatch, mine: str, theirs: str
) -> None:
    monkeypatch.setattr(records, "VERSION", mine)
    if ORDER.index(theirs) <= ORDER.index(mine):
        assert records.of(host, record(theirs))["kit"] == theirs
        return
    with pytest.raises(KitError) as refused:
        records.of(host, record(theirs))
    assert refused.value.code == INVENTORY
    assert refused.value.message == f"vps was deployed by Greffier {theirs}; this is {mine}."


@pytest.mark.parametrize("same", ["0.2", "0.2.0", "v0.2.0", "0.2.0.0"])
def test_one_version_may_be_written_in_several_ways(
    host: HostStack, monkeypatch: pytest.MonkeyPatch, same: str
) -> None:
    monkeypatch.setattr(records, "VERSION", "0.2.0")
    assert records.of(host, record(same))["release"] == 3


@pytest.mark.parametrize("damage", ["", "new", "1.x", 7, None, ["0.1.0"]])
def test_what_is_no_version_is_damage(host: HostStack, damage: object) -> None:
    with pytest.raises(KitError, match="is damaged") as told:
        records.of(host, record(damage))
    assert told.value.code == HOST


def test_the_kits_own_is_one_in_its_plain_form() -> None:
    assert str(Version(VERSION)) == VERSION
