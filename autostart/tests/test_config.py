from __future__ import annotations

import copy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from greffier_autostart.config import ConfigError, load_config, parse_config

GOOD: dict[str, Any] = {
    "listen": "127.0.0.1:8890",
    "control": "/run/greffier/autostart.sock",
    "services": {
        "whisper.example.org": {
            "name": "whisper",
            "composeDir": "/etc/greffier/services/whisper",
            "proxyPort": 8001,
            "blocking": True,
            "containers": ["greffier-whisper"],
            "driver": "process",
            "release": "abc",
            "healthPath": "/health",
            "readyPath": "/ready",
            "quietPaths": ["/health", "/ready"],
            "openapi": "/etc/greffier/openapi.json",
            "idleSeconds": 900,
            "startSeconds": 30,
            "stopSeconds": 30,
            "process": {
                "command": ["/venv/bin/python", "-m", "stt_faster_whisper"],
                "directory": "/",
                "environment": {"STT_PORT": "8001"},
                "environmentFile": "/etc/greffier/services/whisper/.env",
                "log": "/var/log/whisper.log",
            },
        }
    },
}
SERVICE = "services.whisper.example.org"


DOCKER: dict[str, Any] = copy.deepcopy(GOOD)
DOCKER["services"]["whisper.example.org"]["driver"] = "docker"
del DOCKER["services"]["whisper.example.org"]["process"]


def changed(path: str, value: object, good: dict[str, Any] = GOOD) -> dict[str, Any]:
    document = copy.deepcopy(good)
    section = document
    *parents, key = path.split("|")
    for parent in parents:
        section = section[parent]
    section[key] = value
    return document


def test_a_good_one() -> None:
    config = parse_config(GOOD)
    entry = config.services[0]
    assert config.listen == ("127.0.0.1", 8890)
    assert (entry.name, entry.release.port, entry.policy.idle_seconds) == ("whisper", 8001, 900)
    assert entry == parse_config(copy.deepcopy(GOOD)).services[0]
    assert entry.policy.tcp == () and entry.release.ports == {8001}
    tcp = changed("services|whisper.example.org|tcp", [{"listen": ["0.0.0.0", 10300], "port": 8301}])
    other = parse_config(tcp).services[0]
    assert other.policy.tcp[0].listen == ("0.0.0.0", 10300) and other.release.ports == {8001, 8301}
    assert other.release.excludes(replace(entry.release, port=8301, ports=frozenset({8301})))


PROCESS = GOOD["services"]["whisper.example.org"]["process"]
TCP = {"listen": ["127.0.0.1", 10300], "port": 8301}
ANOTHER_RELEASE: dict[str, Any] = {
    "proxyPort": 8011,
    "driver": "docker",
    "release": "def",
    "composeDir": "/elsewhere",
    "containers": ["greffier-whisper_2"],
    "process": PROCESS | {"environment": {"STT_PORT": "8001", "STT_MODEL": "tiny"}},
    "tcp": [TCP | {"port": 8302}],
}
ANOTHER_POLICY: dict[str, Any] = {
    "blocking": False,
    "healthPath": "/alive",
    "readyPath": "/loaded",
    "quietPaths": ["/health"],
    "openapi": "/elsewhere/openapi.json",
    "idleSeconds": 60,
    "startSeconds": 60,
    "stopSeconds": 60,
    "drainSeconds": 60,
    "tellsWhy": True,
    "wakeFile": "/elsewhere/wake_at",
    "tcp": [TCP | {"listen": ["127.0.0.1", 10301]}],
}


@pytest.mark.parametrize("key", sorted({*ANOTHER_RELEASE, *ANOTHER_POLICY}))
def test_what_a_key_is_part_of(key: str) -> None:
    """What is not named above would be a key of which nobody has decided whether it stops what runs."""
    good = copy.deepcopy(GOOD)
    service = good["services"]["whisper.example.org"]
    service["tcp"] = [TCP]
    assert {*service} - {"name"} <= {*ANOTHER_RELEASE, *ANOTHER_POLICY}
    entry = parse_config(good).services[0]
    for values, runs_on in ((ANOTHER_RELEASE, False), (ANOTHER_POLICY, True)):
        if key in values:
            document = changed(f"services|whisper.example.org|{key}", values[key], good)
            if key == "driver":
                del document["services"]["whisper.example.org"]["process"]
            other = parse_config(document).services[0]
            assert other != entry and (other.release == entry.release) is runs_on


def test_every_field_of_an_entry_is_told_by_a_key() -> None:
    entry = parse_config(GOOD).services[0]
    assert len(fields(entry.release)) == len(ANOTHER_RELEASE)  # `ports` stands for `tcp`
    assert len(fields(entry.policy)) == len(ANOTHER_POLICY) + 1  # the host name, which is the entry's key


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("listen", "0.0.0.0:8890", "listen: '0.0.0.0:8890' must be a loopback address"),
        ("listen", "127.0.0.1", "listen: "),
        ("listen", "127.0.0.1:99999", "listen: "),
        ("control", "relative.sock", "control: "),
        ("extra", 1, "extra: is not a known key"),
        ("services", [], "services: must be an object"),
        ("services|Bad Host", {}, "services.Bad Host: is not a lower-case host name"),
        ("services|whisper.example.org|driver", "podman", f"{SERVICE}.driver: 'podman' is not known"),
        ("services|whisper.example.org|proxyPort", 0, f"{SERVICE}.proxyPort: must be a port"),
        ("services|whisper.example.org|proxyPort", "8001", f"{SERVICE}.proxyPort: must be a whole number"),
        ("services|whisper.example.org|blocking", 1, f"{SERVICE}.blocking: must be true or false"),
        ("services|whisper.example.org|idleSeconds", -1, f"{SERVICE}.idleSeconds: must be between"),
        ("services|whisper.example.org|idleSeconds", True, f"{SERVICE}.idleSeconds: must be a number"),
        ("services|whisper.example.org|name", 'a"b', f"{SERVICE}.name: "),
        ("services|whisper.example.org|readyPath", "ready", f"{SERVICE}.readyPath: "),
        ("services|whisper.example.org|readyPath", "/a\r\nX: b", f"{SERVICE}.readyPath: "),
        ("services|whisper.example.org|process", None, f"{SERVICE}.process: "),
        ("services|whisper.example.org|process|command", [], f"{SERVICE}.process.command: "),
        ("services|whisper.example.org|process|command", [1], f"{SERVICE}.process.command: "),
        (
            "services|whisper.example.org|process|environment",
            {"A=B": "c"},
            f"{SERVICE}.process.environment.A=B: ",
        ),
        (
            "services|whisper.example.org|process|environment",
            {"A": 1},
            f"{SERVICE}.process.environment.A: must be a string",
        ),
        ("services|whisper.example.org|process|log", "log", f"{SERVICE}.process.log: "),
        ("services|b.example.org", GOOD["services"]["whisper.example.org"], "services.b.example.org.name: "),
        ("services|whisper.example.org|tcp", {}, f"{SERVICE}.tcp: must be a list"),
        ("services|whisper.example.org|tcp", [1], f"{SERVICE}.tcp.0: must be an object"),
        *(
            (
                "services|whisper.example.org|tcp",
                [{"listen": listen, "port": 8301}],
                f"{SERVICE}.tcp.0.listen: ",
            )
            for listen in (
                "127.0.0.1:1",
                ["localhost", 1],
                ["127.0.0.1", 0],
                ["127.0.0.1", "1"],
                ["127.0.0.1"],
            )
        ),
        (
            "services|whisper.example.org|tcp",
            [{"listen": ["127.0.0.1", 10300], "port": 8001}],
            f"{SERVICE}.tcp.0.port: is the same as {SERVICE}.proxyPort",
        ),
        (
            "services|whisper.example.org|tcp",
            [{"listen": ["::1", 10300], "port": 8301}, {"listen": ["::1", 10300], "port": 8302}],
            f"{SERVICE}.tcp.1.listen: is the same as {SERVICE}.tcp.0.listen",
        ),
    ],
)
def test_a_mistake_is_named_by_its_key(path: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(path, value))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "process",
            GOOD["services"]["whisper.example.org"]["process"],
            "process: is only for the driver process",
        ),
        ("containers", [], "containers: must name the container that serves"),
        ("containers", ["-rf"], "containers: '-rf' is not a container's name"),
        ("containers", ["a/../b"], "containers: 'a/../b' is not a container's name"),
        ("containers", ["a", "a"], "containers: must not name a container twice"),
        ("containers", None, "containers: must be a list"),
        ("composeDir", None, "composeDir: must be a string"),
    ],
)
def test_a_mistake_about_containers(key: str, value: object, message: str) -> None:
    assert parse_config(DOCKER).services[0].release.process is None
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(f"services|whisper.example.org|{key}", value, DOCKER))
    assert str(caught.value).startswith(f"{SERVICE}.{message}")


def test_a_container_is_of_one_service() -> None:
    other = {**DOCKER["services"]["whisper.example.org"], "name": "other", "proxyPort": 8002}
    with pytest.raises(ConfigError, match="containers: greffier-whisper already belongs to services"):
        parse_config(changed("services|other.example.org", other, DOCKER))


@pytest.mark.parametrize("document", [None, [], "x", {}, {"services": {"a": 1, "b": {"process": []}}}])
def test_nonsense_is_an_error_and_never_a_crash(document: object) -> None:
    with pytest.raises(ConfigError):
        parse_config(document)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match="is not JSON"):
        load_config(path)
    path.write_text('{"control": "/\\ud800"}')
    with pytest.raises(ConfigError, match="is not JSON"):
        load_config(path)
    path.write_text('{"listen": 1, "wrong": 2}')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4 and all(line.startswith(str(path)) for line in lines)
