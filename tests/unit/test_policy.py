"""What of the inventory restarts a service, and what does not: decided for every field, and held here."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from deploy import render
from deploy.config.inventory import Service
from deploy.config.stack import HostStack, Paths, Stack
from deploy.render import autostart
from deploy.types import Effect
from tests.unit.desk import Desk

Resolved = Callable[[str], Stack]

BASE: dict[str, Any] = {
    "hosts": {"vps": {"domain": "vps.test", "address": "127.0.0.1", "tls": {"mode": "internal"}}},
    "services": {
        "whisper": {"kind": "faster-whisper", "wyoming": 10300},
        "speakers": {"kind": "whisperx", "diarizer": "pyannote", "secrets": {"HF_TOKEN": "env:HF_TOKEN"}},
        "echo": {"kind": "container", "image": "echo:1", "container_port": 80},
    },
}
POLICY: dict[str, tuple[str, Any]] = {
    "hostname": ("whisper", "other.vps.test"),
    "wyoming": ("whisper", "0.0.0.0:10301"),
    "health": ("echo", "/alive"),
    "open_to": ("whisper", ["10.0.0.0/8"]),
    "read_timeout": ("whisper", "20m"),
    "idle": ("whisper", "5m"),
    "start_timeout": ("whisper", "9m"),
    "drain_timeout": ("whisper", "10m"),
}
"""How autostart and nginx deal with what runs: (service, another value) by field."""

RELEASE: dict[str, tuple[str, Any]] = {
    "model": ("whisper", "base"),
    "models": ("whisper", ["base"]),
    "device": ("whisper", "cuda"),
    "compute_type": ("whisper", "float32"),
    "diarizer": ("speakers", "open"),
    "diarization_model": ("speakers", "/srv/diarizer"),
    "alignment": ("speakers", {"fr": "jonatasgrosman/wav2vec2-large-xlsr-53-french"}),
    "port": ("whisper", 8101),
    "image": ("echo", "echo:2"),
    "container_port": ("echo", 81),
    "volumes": ("echo", {"data": "/data"}),
    "memory": ("whisper", "9G"),
    "jobs": ("whisper", {"enabled": False}),
    "environment": ("whisper", {"STT_QUEUE": "9"}),
    "secrets": ("whisper", {"TOKEN": "env:TOKEN"}),
    # The service itself refuses what is larger: it also gets audio that nginx does not see, by Wyoming and by address.
    "upload_limit": ("whisper", "1G"),
}
"""What the service is, or is told when it starts."""

NEITHER = {"kind", "host", "enabled"}
"""Which service it is, and whether there is one."""


def host_of(resolved: Resolved, field: str = "", service: str = "", value: Any = None, **host: Any) -> HostStack:
    document = json.loads(json.dumps(BASE))
    document["hosts"]["vps"] |= host
    if field:
        document["services"][service][field] = value
    return resolved(yaml.safe_dump(document)).hosts[0]


def due(before: HostStack, after: HostStack) -> set[Effect]:
    """What has to follow where one tree takes the place of another."""
    old, new = render.tree(before), render.tree(after)
    changed = {path for path in {*old, *new} if old.get(path) != new.get(path)}
    assert changed
    return {effect for path in changed for file in (old.get(path), new.get(path)) if file for effect in file.on_change}


def releases(host: HostStack) -> dict[str, str]:
    config = json.loads(render.tree(host)[autostart.path(host)].text)
    return {entry["name"]: entry["release"] for entry in config["services"].values()}


def test_of_every_field_it_is_decided() -> None:
    assert not POLICY.keys() & RELEASE.keys()
    assert {*POLICY, *RELEASE, *NEITHER} == Service.model_fields.keys()


@pytest.mark.parametrize("field", POLICY)
def test_policy_is_reloaded(resolved: Resolved, field: str) -> None:
    before, after = host_of(resolved), host_of(resolved, field, *POLICY[field])
    assert {effect.verb for effect in due(before, after)} == {"reload"}
    assert releases(before) == releases(after)


@pytest.mark.parametrize("field", RELEASE)
def test_another_release_is_started(resolved: Resolved, field: str) -> None:
    before, after = host_of(resolved), host_of(resolved, field, *RELEASE[field])
    service = RELEASE[field][0]
    assert {effect.what for effect in due(before, after) if effect.verb == "restart"} == {service}
    assert {name for name, release in releases(after).items() if releases(before)[name] != release} == {service}


@pytest.mark.parametrize("host", [{"request_rate": 9}, {"cors_origins": ["https://app.test"]}])
def test_limits_of_nginx_are_reloaded(resolved: Resolved, host: dict[str, Any]) -> None:
    assert due(host_of(resolved), host_of(resolved, **host)) == {Effect("reload", "nginx")}


@pytest.mark.parametrize(
    "policy",
    [{"stop_timeout": 99}, {"paths": Paths("/health", "/ready", ("/health",), "/v1/models")}],
    ids=["stop_timeout", "quiet"],
)
def test_policy_of_a_kind_is_reloaded(resolved: Resolved, policy: dict[str, Any]) -> None:
    """A manifest says it, so that another Greffier may have another."""
    before = host_of(resolved)
    after = replace(before, services=tuple(replace(s, **policy) if s.own else s for s in before.services))
    assert Effect("reload", "autostart") in due(before, after)
    assert {effect.verb for effect in due(before, after)} == {"reload"}
    assert releases(before) == releases(after)


@pytest.mark.parametrize("field", ["idle", "start_timeout", "drain_timeout", "read_timeout"])
def test_a_plan_says_reload(desk: Desk, field: str) -> None:
    path = desk.folder / "inventory.yml"
    before = planned(desk)
    document = yaml.safe_load(path.read_text())
    document["services"]["whisper"][field] = POLICY[field][1]
    path.write_text(yaml.safe_dump(document))
    after = planned(desk)
    reloaded = {what for verb, what in after - before if verb == "reload"}
    assert {verb for verb, _ in after - before} <= {"change", "reload"}
    # The host of paper is never at rest: what is to be restarted anyway reads its files then.
    assert reloaded | {what for verb, what in before if verb == "restart"} >= EXPECTED[field]


EXPECTED = {
    "idle": {"autostart"},
    "read_timeout": {"nginx"},
    "start_timeout": {"autostart", "nginx"},
    "drain_timeout": {"autostart", "nginx"},
}


def planned(desk: Desk) -> set[tuple[str, str]]:
    return {(step["verb"], step["what"]) for step in json.loads(desk.says("plan --json").out)["vps"]}
