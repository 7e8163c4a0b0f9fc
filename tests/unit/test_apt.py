"""Docker's own apt source: its key, and what apt reads."""

import base64
import hashlib

import pytest

from deploy.operations import apt

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


def test_docker_is_old_enough_to_be_refused() -> None:
    assert apt.too_old("19.03.15") and not apt.too_old("20.10.24+dfsg1")
