"""Hosts as they come: users who are not root, wrong keys, Let's Encrypt, several at once; and the end of one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.vps.engine import CACHE
from tests.vps.host import ADMIN_PASSWORD, Host
from tests.vps.internet import Internet
from tests.vps.laptop import ACME, MODEL, OURS, SAID, UNKNOWN, Client, Laptop, host, inventory, kit_that_trusts, service


def test_any_user_who_may_use_sudo(laptop: Laptop) -> None:
    laptop.write(inventory({"alpha": host("alpha", user="debian")}))
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
    laptop.write(inventory({"alpha": host("alpha", user="admin")}))
    told = laptop.cli("plan", status=3)
    assert "needs a password for sudo, and there is no terminal" in told
    program, *words = laptop.command("plan")
    terminal = pexpect.spawn(program, words, env=laptop.environment, encoding="utf-8", timeout=60)
    terminal.expect("sudo password of admin@alpha: ")
    terminal.sendline(ADMIN_PASSWORD)
    terminal.expect("nothing to do.")  # its name is bold
    terminal.close()


def test_a_host_that_is_not_reached(laptop: Laptop, alpha: Host, tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name))
        subprocess.run(command, check=True)
    (tmp_path / "known").write_text(f"{alpha.address} {(tmp_path / 'theirs.pub').read_text()}")
    common = f" HostName {alpha.address}\n User root\n IdentitiesOnly yes\n GlobalKnownHostsFile /dev/null\n"
    with laptop.ssh_config.open("a") as config:
        config.write(f"Host away\n HostName {alpha.address}\n Port 1\n")
        config.write(f"Host keyless\n{common} IdentityFile {tmp_path}/mine\n UserKnownHostsFile {alpha.known_hosts}\n")
        config.write(f"Host other\n{common} IdentityFile {alpha.key}\n UserKnownHostsFile {tmp_path}/known\n")
    sentences = {
        "away": "away refuses SSH connections.",
        "keyless": "root@keyless does not accept your key.",
        "other": "The host key of root@other has changed.",
    }
    for name, sentence in sentences.items():
        laptop.write(inventory({name: host(name)}))
        for verb in ("plan", "deploy", "status"):
            assert sentence in laptop.cli(verb, status=3)


def test_several_hosts_and_one_that_is_away(laptop: Laptop, client: Client, alpha: Host) -> None:
    with laptop.ssh_config.open("a") as config:
        config.write(f"Host gone\n HostName {alpha.address}\n Port 1\n")
    hosts = {"alpha": host("alpha"), "gone": host("gone")}
    services = {"whisper": service(host="alpha", idle="12m"), "far": service(host="gone")}
    laptop.write(inventory(hosts, services))
    told = laptop.cli("deploy", status=3)
    assert "1 of 2 hosts failed: gone." in told and "gone refuses SSH connections." in told
    assert "alpha: Reloading autostart" in told
    assert client.transcript() == SAID
    assert laptop.data("plan", "--host", "alpha")["alpha"] == []


@pytest.fixture(scope="module")
def beta(internet: Internet) -> Iterator[Host]:
    with Host("beta", internet) as host:
        yield host


def test_docker_comes_from_its_own_source(internet: Internet, beta: Host, tmp_path: Path) -> None:
    beta.ssh("rm /etc/apt/sources.list.d/docker.sources /etc/apt/keyrings/docker.gpg")
    known = "find /etc/apt/sources.list.d /etc/apt/keyrings -type f"
    before = beta.ssh(known)
    internet.publish("download.docker.com", "linux/debian", CACHE / "packages/docker")
    laptop = Laptop(tmp_path, internet, inventory({"beta": host("beta", user="debian", tls=ACME)}))
    # What is published here is signed by another key than Docker's.
    told = laptop.cli("setup", "beta", status=3)
    assert "NO_PUBKEY" in told and "the host cannot get Docker's own packages" in told
    assert beta.ssh(known) == before
    laptop.kit = kit_that_trusts(CACHE / "keys/gnupg", tmp_path / "kit")
    assert "added Docker's apt source" in laptop.cli("setup", "beta")
    assert "docker.sources" in beta.ssh(known) and "docker.asc" in beta.ssh(known)
    assert beta.ssh("docker version --format '{{.Server.Version}}'").startswith("26.")
    assert beta.ssh("cat /etc/docker/daemon.json").strip() == '{"registry-mirrors": ["https://registry.test"]}'
    assert "already set up" in laptop.cli("setup", "beta")


@pytest.mark.usefixtures("office")  # alpha is set up
def test_lets_encrypt_and_the_end(internet: Internet, alpha: Host, beta: Host, tmp_path: Path) -> None:
    content = inventory({"beta": host("beta", user="debian", tls=ACME)})
    laptop = Laptop(tmp_path, internet, content)
    nginx = "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/"
    laptop.cli("setup", "beta")
    # The first deploy is before DNS points there: one name is unknown, the other that of another host.
    internet.point("whisper.beta.test", alpha.inside)
    told = laptop.cli("deploy", status=3)
    assert "No certificate was issued for portal.beta.test, whisper.beta.test" in told
    assert f"portal.beta.test {UNKNOWN}" in told and "Requesting a certificate" not in told
    assert f"whisper.beta.test points at {alpha.inside}, where another host answers" in told
    assert "/whisper/v1, once portal.beta.test has a certificate" in told
    findings: dict[str, Any] = {f["found"]: f["advice"] for f in laptop.data("doctor", status=3)["beta"]}
    assert "`greffier deploy`" in findings["self-signed until Let's Encrypt issues one"]
    laptop.cli("plan", status=4)
    for name in ("whisper.beta.test", "portal.beta.test"):
        internet.point(name, beta.inside)
    assert "Requesting a certificate: done" in laptop.cli("deploy")
    assert laptop.cli("plan").strip() == "beta: nothing to do."
    client = Client(beta, laptop.user("anna"), internet.acme_root())
    assert client.transcript() == SAID
    # Renewal goes by certbot's own timer, and its hook gives nginx the new certificate.
    serial = "openssl x509 -noout -serial -in /etc/greffier/tls/greffier/fullchain.pem"
    before = beta.ssh(serial)
    beta.ssh("systemctl is-enabled certbot.timer && certbot renew --force-renewal --no-random-sleep-on-renew")
    assert beta.ssh(serial) != before
    assert laptop.cli("plan").strip() == "beta: nothing to do."
    assert client.transcript() == SAID
    # One that is good for six days: certbot's own rule would renew it each time it looks.
    brief = {**ACME, "server": internet.authority("brief.test", 6 * 86400)}
    laptop.write(inventory({"beta": host("beta", user="debian", tls=brief)}))
    assert "beta: renewed" in laptop.cli("certs", "renew")
    (standing,) = laptop.data("certs", "status")
    assert standing["days"] == 5 and standing["issuer"].startswith("Pebble") and "next check on" in standing["renewal"]
    look, settings = "certbot renew --no-random-sleep-on-renew 2>&1", "/etc/letsencrypt/renewal/greffier.conf"
    assert "not due for renewal yet" in beta.ssh(look)
    # The same at the end of its life: what certbot's timer does is enough.
    beta.ssh(f"sed -i 's/^renew_before_expiry = 48 hours/renew_before_expiry = 6 days/' {settings}")
    before = beta.ssh(serial)
    assert "all renewals succeeded" in beta.ssh(look) and beta.ssh(serial) != before
    assert "renew_before_expiry = 6 days" in beta.ssh(f"cat {settings}")
    assert laptop.cli("plan").strip() == "beta: nothing to do."
    laptop.write(inventory({"beta": host("beta", user="debian", tls={**brief, "profile": "shortlived"})}))
    assert "certbot 2.1.0 is too old for the profile shortlived" in laptop.cli("certs", "renew", status=3)
    assert "certbot 2.1.0 is too old" in laptop.cli("doctor", status=3)
    laptop.write(content)
    internet.forget("whisper.beta.test")
    told = laptop.cli("certs", "renew", status=3)
    assert "No certificate was issued" in told and "whisper.beta.test" in told
    internet.point("whisper.beta.test", beta.inside)
    # A service with data of its own comes alone, gets its name onto the certificate, and leaves its data.
    internet.point("board.beta.test", beta.inside)
    image = "registry.test/example/hello:1"
    board = {"kind": "container", "image": image, "container_port": 8080, "health": "/index.html"}
    laptop.write({**content, "services": {**content["services"], "board": {**board, "volumes": {"data": "/data"}}}})
    assert "Requesting a certificate: done" in laptop.cli("deploy", "--service", "board")
    with client.http("board.beta.test") as http:
        assert http.get("/").text == "hello\n"
    laptop.write(content)
    laptop.cli("deploy")
    assert "greffier-board_data" in beta.ssh("docker volume ls --quiet")
    # First what can be made again, then the rest.
    assert "Models and data stay" in laptop.cli("destroy", "--yes")
    assert beta.ssh("ls /var/lib/greffier/models; docker volume ls --quiet; docker ps --all --quiet").split() == [
        MODEL.replace("/", "--"),
        "greffier-board_data",
        "greffier-whisper_spool",
    ]
    laptop.cli("destroy", "--yes", "--volumes")
    assert beta.ssh(OURS) == "" and "example/hello" not in beta.ssh("docker image ls")
    assert beta.ssh("systemctl is-active nginx docker").split() == ["active", "active"] and beta.ssh(nginx)
    assert "nothing to remove" in laptop.cli("destroy", "--yes")
    # And anew, now with the certificate in the first deploy.
    laptop.cli("setup", "beta")
    assert "Requesting a certificate: done" in laptop.cli("deploy")
    client = Client(beta, laptop.user("berta"), internet.acme_root())
    assert client.transcript() == SAID
    # Two hosts of one inventory at once, each with a service of its own.
    hosts = {"alpha": host("alpha"), **content["hosts"]}
    services = {"whisper": service(host="beta", idle="13m"), "near": service(host="alpha")}
    laptop.write({**inventory(hosts, services), "portal": {"enabled": False}})
    told = laptop.cli("deploy")
    assert "alpha: Verifying near" in told and "beta: Reloading autostart" in told
    assert laptop.data("plan") == {"alpha": [], "beta": []}
    with Client(alpha, laptop.user("both", "--host", "alpha")).http("near.alpha.test") as http:
        assert http.get("/v1/models").status_code == 200
    assert client.transcript() == SAID
