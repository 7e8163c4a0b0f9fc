"""Which names are asked for at an ACME authority, and when: certbot and the host are of paper here."""

import datetime as dt
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from deploy.certificates import acme, issuing
from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.render.units import LIVE, RENEWAL
from deploy.transport.asking import Asking
from deploy.transport.connection import Answer
from deploy.transport.targets import Target

PORTAL, WHISPER, BOARD = "portal.example.org", "whisper.example.org", "board.example.org"
GONE = {WHISPER: "has no address"}


class Paper:
    """`astray` is what the host finds; certbot issues for all it is asked for but `failing`."""

    def __init__(self, target: Target, host: HostStack, *, astray: Mapping[str, str] | None = None) -> None:
        self.layout = host.layout
        self.files: dict[str, bytes] = {}
        self.astray = dict(astray or {})
        self.failing: set[str] = set()
        self.asked: list[list[str]] = []
        self._target, self._host = target, host

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, content: bytes, *_: object) -> None:
        self.files[path] = content

    def answer(self, asked: Asking[Any]) -> Any:
        try:
            questions = next(asked)
            while True:
                files = [self.files.get(question.about["path"]) for question in questions]
                questions = asked.send([Answer([({"event": "done", "there": f is not None}, f or b"")]) for f in files])
        except StopIteration as end:
            return end.value

    def look(self, name: str, request: dict[str, Any]) -> dict[str, str]:
        assert name == "pointing"
        return {name: self.astray.get(name, "") for name in request["names"]}

    def issue(self, names: list[str]) -> None:
        services = tuple(replace(self._host.services[0], hostname=name) for name in names)
        issuing.install(replace(self._host, portal="", services=services), self._target, {})
        self.files[LIVE] = self._target.read(issuing.chain_path(self.layout)) or b""
        self.files[RENEWAL] = b"version = 2.1.0\n[renewalparams]\nallow_subset_of_names = True\n"

    def run(self, command: list[str], **_: object) -> str:
        assert command[:2] == ["certbot", "certonly"]
        names = [name for word, name in itertools.pairwise(command) if word == "--domain"]
        self.asked.append(names)
        rest = [name for name in names if name not in self.failing]
        if not rest:
            raise KitError("`certbot` failed with status 1.", output="Some challenges have failed.")
        self.issue(rest)
        return ""


@pytest.fixture
def paper(one: HostStack, target: Target) -> Paper:
    return Paper(target, one)


@pytest.fixture
def host(one: HostStack) -> HostStack:
    return replace(one, tls=replace(one.tls, mode="letsencrypt"))


def deploy(host: HostStack, paper: Paper) -> dict[str, str]:
    """What a deploy does. Returns the names that are left out."""
    target = cast(Target, paper)
    if not target.answer(acme.reason(host)):
        return {}
    request = acme.request(host, target)
    found = acme.obtain(host, target, request.names) if request.names else {}
    return {**request.left_out, **found}


def names(paper: Paper) -> set[str]:
    there = paper.answer(acme.issued())
    return set(there.names) if there else set()


def test_a_name_without_dns_costs_the_others_nothing(host: HostStack, paper: Paper) -> None:
    paper.astray = dict(GONE)
    left_out = deploy(host, paper)
    assert paper.asked == [[PORTAL]] and names(paper) == {PORTAL}
    assert acme.unissued(left_out) == f"No certificate was issued for {WHISPER}: it has no address."
    assert deploy(host, paper) == GONE and len(paper.asked) == 1, "nothing to ask for, and told again"
    paper.astray = {}
    assert deploy(host, paper) == {} and names(paper) == {PORTAL, WHISPER}
    assert b"allow_subset" not in paper.files[RENEWAL], "one that fails for a day is not lost at a renewal"


def test_what_failed_is_not_asked_for_within_the_hour(
    host: HostStack, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.failing = {WHISPER}
    assert "failed the authority's check" in deploy(host, paper)[WHISPER] and names(paper) == {PORTAL}
    assert "`greffier deploy` tries again from" in deploy(host, paper)[WHISPER] and len(paper.asked) == 1
    paper.failing = {PORTAL, WHISPER}
    paper.files.pop(LIVE)
    with pytest.raises(KitError, match=f"No certificate was issued for {PORTAL};"):
        deploy(host, paper)
    assert set(deploy(host, paper)) == {PORTAL, WHISPER} and len(paper.asked) == 2
    at = {name: dt.datetime.now(dt.UTC).timestamp() - 3601 for name in (PORTAL, WHISPER)}
    paper.files[f"{host.layout.var}/acme/failed.json"] = json.dumps(at).encode()
    paper.failing = set()
    assert deploy(host, paper) == {} and names(paper) == {PORTAL, WHISPER}


@pytest.mark.parametrize("damaged", [b"", b"nonsense", b"[1]", b'{"a": null}', b'{"a": 1e400}', b"\xff"])
def test_a_damaged_memory_is_none(host: HostStack, paper: Paper, damaged: bytes) -> None:
    paper.files[f"{host.layout.var}/acme/failed.json"] = damaged
    assert deploy(host, paper) == {} and names(paper) == {PORTAL, WHISPER}


def test_a_name_that_left_is_dropped(host: HostStack, paper: Paper) -> None:
    paper.issue([PORTAL, WHISPER, BOARD])
    assert paper.answer(acme.reason(host)) == (f"the current one still has {BOARD}, which would block its renewal")
    # Not while that would lose another one, which has no address just now.
    paper.astray = dict(GONE)
    deploy(host, paper)
    assert not paper.asked and names(paper) == {PORTAL, WHISPER, BOARD}
    paper.astray = {}
    assert deploy(host, paper) == {} and names(paper) == {PORTAL, WHISPER}
    assert paper.answer(acme.reason(host)) == ""


def test_a_renewal_loses_no_name_that_the_present_one_has(
    host: HostStack, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.issue([PORTAL, WHISPER])
    paper.astray = dict(GONE)
    with pytest.raises(KitError, match=f"No certificate was issued for {WHISPER}: it has no address") as told:
        acme.again(host, cast(Target, paper))
    assert "is valid until" in told.value.hint
    monkeypatch.setattr(issuing.Certificate, "late", lambda *_: True)
    assert acme.again(host, cast(Target, paper)) == acme.Request((PORTAL,), GONE)
    paper.astray = {PORTAL: "has no address", **GONE}
    with pytest.raises(KitError, match=f"{PORTAL}, {WHISPER}: {PORTAL} has no address; {WHISPER} has no address"):
        acme.again(host, cast(Target, paper))
