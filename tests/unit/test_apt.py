"""Docker's own apt source: its key, and what apt reads."""

import base64
import hashlib

import pytest

from deploy.setup import apt

FINGERPRINT = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


def test_the_key_in_the_kit_is_dockers() -> None:
    body = "".join(line for line in apt.KEY.read_text().splitlines() if line and line[0] not in "-=")
    packets = base64.b64decode(body)
    # The first packet is the public key, with a length of two bytes (RFC 4880, 4.2.1 and 12.2).
    assert packets[0] == 0x99
    length = int.from_bytes(packets[1:3], "big")
    assert hashlib.sha1(packets[: 3 + length]).hexdigest().upper() == FINGERPRINT


def test_the_source_names_its_key_and_the_hosts_release() -> None:
    text = apt.source("debian", "bookworm", "arm64")
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "Types: deb",
        "URIs: https://download.docker.com/linux/debian",
        "Suites: bookworm",
        "Components: stable",
        "Architectures: arm64",
        "Signed-By: /etc/apt/keyrings/docker.asc",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5:26.1.5-1~debian.12~bookworm", (26, 1, 5)),
        ("20.10.24+dfsg1-1+deb12u1+b2", (20, 10, 24)),
        ("1.29.2-3", (1, 29, 2)),
        ("2.26.1-4", (2, 26, 1)),
        ("(none)", ()),
    ],
)
def test_versions_are_compared_by_their_numbers(text: str, found: tuple[int, ...]) -> None:
    assert apt.numbers(text) == found


def known(**versions: str) -> dict[str, tuple[int, ...]]:
    """What apt would install, by its own words; a name has underscores here."""
    lines = [
        f"{name.replace('_', '-').replace('docker-io', 'docker.io').replace('containerd-io', 'containerd.io')}:\n"
        f"  Installed: (none)\n  Candidate: {version}\n  Version table:\n"
        for name, version in versions.items()
    ]
    return apt.policy("".join(lines))


BOOKWORM = {"docker_io": "20.10.24+dfsg1-1+deb12u1+b6", "docker_cli": "(none)", "docker_compose": "1.29.2-3"}
TRIXIE = {
    "docker_io": "26.1.5+dfsg1-9+deb13u1",
    "docker_cli": "26.1.5+dfsg1-9+deb13u1",
    "docker_compose": "2.26.1-4",
    "docker_buildx": "0.13.1+ds1-3",
}
NOBLE = {"docker_io": "28.2.2-0ubuntu1", "docker_compose_v2": "2.37.1+ds1-0ubuntu2", "docker_buildx": "0.21.3-0ubuntu1"}
DOCKERS = {
    name: "5:28.5.1-1~debian.12~bookworm"
    for name in ("docker_ce", "docker_ce_cli", "containerd_io", "docker_compose_plugin", "docker_buildx_plugin")
}
ALL = apt.Needed(engine=True, compose=True, buildx=True)


def test_the_distributions_docker_is_taken_where_it_has_all_that_is_needed() -> None:
    assert apt.choice(known(**TRIXIE), ALL) == ["docker.io", "docker-cli", "docker-compose", "docker-buildx"]
    assert apt.choice(known(**NOBLE), ALL) == ["docker.io", "docker-compose-v2", "docker-buildx"]
    assert apt.choice(known(**TRIXIE, **DOCKERS), ALL)[0] == "docker.io"


def test_else_dockers_own_where_apt_knows_it() -> None:
    assert apt.choice(known(**BOOKWORM), ALL) == []
    own = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin", "docker-buildx-plugin"]
    assert apt.choice(known(**BOOKWORM, **DOCKERS), ALL) == own


def test_an_engine_that_is_there_stays() -> None:
    plugins = apt.Needed(engine=False, compose=True, buildx=True)
    assert apt.choice(known(**BOOKWORM, **DOCKERS), plugins) == ["docker-compose-plugin", "docker-buildx-plugin"]
    assert apt.choice(known(**TRIXIE), plugins) == ["docker-compose", "docker-buildx"]


def test_docker_is_old_enough_to_be_refused() -> None:
    assert apt.too_old("19.03.15") and not apt.too_old("20.10.24+dfsg1")
