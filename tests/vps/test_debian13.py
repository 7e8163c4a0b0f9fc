"""Debian 13: its own Docker and Docker's, nginx 1.26, Python 3.13, certbot 4, from setup to destroy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vps import shared
from tests.vps.engine import CACHE
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import (
    ACME,
    CONTAINER,
    ON,
    OURS,
    SAID,
    Client,
    Laptop,
    host,
    http2,
    inventory,
    kit_that_trusts,
    service,
    serving_again,
    until,
)
from tests.vps.test_upkeep import RULES

VERSIONS = (
    "docker version --format '{{.Server.Version}}'; docker compose version --short; docker buildx version;"
    " nginx -v 2>&1; python3 -V; certbot --version"
)


@pytest.fixture(scope="module")
def gamma(internet: Internet) -> Iterator[Host]:
    with Host("gamma", internet, "debian13") as host:
        yield host


@pytest.fixture(scope="module")
def laptop(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(tmp_path_factory.mktemp("gamma"), internet, of_gamma())


def of_gamma(tls: dict[str, str] = ACME, **more: Any) -> dict[str, Any]:
    return inventory({"gamma": host("gamma", user="debian", tls=tls)}, {"whisper": service(**more)})


def test_it_is_set_up_with_what_debian_has(laptop: Laptop, gamma: Host) -> None:
    told = laptop.cli("setup", "gamma")
    assert "docker.io, docker-cli, docker-compose, docker-buildx" in told and "apt source" not in told
    engine, compose, buildx, nginx, python, certbot = gamma.ssh(VERSIONS).splitlines()
    assert engine.startswith("26.") and compose.startswith("2.") and "github.com/docker/buildx" in buildx
    assert "nginx/1.26." in nginx and "3.13." in python and certbot.startswith("certbot 4.")
    assert "already set up" in laptop.cli("setup", "gamma")


def test_from_https_to_the_end(laptop: Laptop, gamma: Host, internet: Internet) -> None:
    for name in ("whisper", "portal"):
        internet.point(f"{name}.gamma.test", gamma.inside)
    assert "Requesting a certificate: done" in laptop.cli("deploy")
    assert laptop.cli("plan").strip() == "gamma: nothing to do."
    assert http2(gamma) == ON
    client = Client(gamma, laptop.user("anna"), internet.acme_root())
    assert client.transcript() == SAID
    # To sleep and awake by a call.
    laptop.write(of_gamma(idle="2s"))
    laptop.cli("deploy")
    until(lambda: laptop.state()["state"] == "asleep", "it sleeps when it is idle")
    assert client.transcript() == SAID
    # Another release, and back.
    queue = f"docker inspect --format '{{{{.Config.Env}}}}' {CONTAINER} | grep -o 'QUEUE=.' || true"
    laptop.write(of_gamma(environment={"STT_QUEUE": "3"}))
    laptop.cli("deploy")
    assert gamma.ssh(queue).strip() == "QUEUE=3"
    laptop.cli("rollback")
    assert gamma.ssh(queue) == "" and client.transcript() == SAID
    # certbot's own timer.
    serial = "openssl x509 -noout -serial -in /etc/greffier/tls/greffier/fullchain.pem"
    before = gamma.ssh(serial)
    gamma.ssh("systemctl is-enabled certbot.timer && certbot renew --force-renewal --no-random-sleep-on-renew")
    assert gamma.ssh(serial) != before
    # Its certbot knows profiles, and asks for one; the test's authority has none, and passes over that.
    asked = "grep -c '^required_profile = shortlived$' /etc/letsencrypt/renewal/greffier.conf || true"
    assert gamma.ssh(asked).strip() == "0"
    laptop.write(of_gamma(tls={**ACME, "profile": "shortlived"}))
    assert "gamma: renewed" in laptop.cli("certs", "renew")
    assert gamma.ssh(asked).strip() == "1"
    laptop.write(of_gamma())
    # A firewall of Debian 13's nftables.
    gamma.write("/tmp/rules", RULES)
    gamma.ssh("apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -qy nftables && nft -f /tmp/rules")
    found = {finding["found"] for finding in laptop.data("doctor", status=3)["gamma"] if finding["advice"]}
    assert "nftables is active, and no rule that could be read opens 80" in found
    gamma.ssh("nft delete table inet filter")
    gamma.reboot()
    serving_again(gamma)
    assert client.transcript() == SAID
    laptop.write(of_gamma())
    laptop.cli("deploy")
    assert laptop.cli("plan").strip() == "gamma: nothing to do."
    laptop.cli("destroy", "--yes", "--volumes")
    assert gamma.ssh(OURS) == ""
    assert gamma.ssh("systemctl is-active nginx docker").split() == ["active", "active"]


def test_docker_of_dockers_own_on_debian_13(laptop: Laptop, gamma: Host, internet: Internet, tmp_path: Path) -> None:
    """As an operator may have it there already, without Compose; and where Debian's own is kept out."""
    distribution = "docker.io docker-cli docker-compose docker-buildx containerd runc"
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -qy"
    gamma.ssh(f"{apt} purge {distribution} && {apt} install docker-ce docker-ce-cli containerd.io")
    told = laptop.cli("setup", "gamma")
    assert "installed docker-compose, docker-buildx" in told and "docker.io" not in told
    assert gamma.ssh("docker compose version --short").startswith("2.") and gamma.ssh("docker buildx version")
    with shared.image(gamma):
        assert "Requesting a certificate: done" in laptop.cli("deploy")
    assert Client(gamma, laptop.user("berta"), internet.acme_root()).transcript() == SAID

    ours = "docker-ce docker-ce-cli containerd.io"
    gamma.ssh(f"{apt} purge {ours} docker-compose docker-buildx; rm /etc/apt/sources.list.d/docker.sources")
    gamma.write("/etc/apt/preferences.d/own", f"Package: {distribution}\nPin: release *\nPin-Priority: -1\n")
    internet.publish("download.docker.com", "linux/debian", CACHE / "packages/docker")
    laptop.kit = kit_that_trusts(CACHE / "keys/gnupg", tmp_path / "kit")
    told = laptop.cli("setup", "gamma")
    assert "added Docker's apt source" in told and "docker-compose-plugin, docker-buildx-plugin" in told
    assert "Suites: trixie\n" in gamma.ssh("cat /etc/apt/sources.list.d/docker.sources")
    assert gamma.ssh("docker compose version --short").startswith("2.") and gamma.ssh("docker buildx version")
    assert "already set up" in laptop.cli("setup", "gamma")
