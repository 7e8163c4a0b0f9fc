"""Hosts as they come: users who are not root, wrong keys, Let's Encrypt, several at once; and the end of one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.vps.host import ADMIN_PASSWORD, Host
from tests.vps.internet import Internet
from tests.vps.laptop import SAID, Client, Laptop, host, inventory, service

ACME = {"mode": "letsencrypt", "server": "https://acme.test/dir"}
OURS = (
    "ls -d /etc/greffier /opt/greffier /var/lib/greffier /var/log/greffier /run/greffier /etc/nginx/conf.d/greffier*"
    " /etc/systemd/system/*greffier* /etc/systemd/system/*/*greffier* /etc/letsencrypt/*/greffier* 2>/dev/null;"
    " docker ps --all --format '{{.Names}}'; docker image ls --format '{{.Repository}}' | grep greffier;"
    " docker volume ls --quiet; getent passwd greffier; getent group greffier; true"
)


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
        "other": "The host key of root@other is not the one you know.",
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


def test_lets_encrypt_and_the_end(internet: Internet, alpha: Host, beta: Host, tmp_path: Path) -> None:
    content = inventory({"beta": host("beta", user="debian", tls=ACME)})
    laptop = Laptop(tmp_path, internet, content)
    nginx = "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/"
    laptop.cli("setup", "beta")
    # The first deploy is before DNS points there: one name is unknown, the other that of another host.
    internet.point("whisper.beta.test", alpha.inside)
    told = laptop.cli("deploy")
    assert "No certificate was issued for portal.beta.test, whisper.beta.test" in told
    assert "http://whisper.beta.test/.well-known/acme-challenge/" in told and "for portal.beta.test" in told
    findings: dict[str, Any] = {f["found"]: f["advice"] for f in laptop.data("doctor", status=3)["beta"]}
    assert "`deploy`" in findings["self-signed until Let's Encrypt issues one"]
    laptop.cli("plan", status=4)
    for name in ("whisper.beta.test", "portal.beta.test"):
        internet.point(name, beta.inside)
    assert "Asking for a certificate: done" in laptop.cli("deploy")
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
    laptop.cli("destroy", "--yes", "--volumes")
    assert beta.ssh(OURS) == ""
    assert beta.ssh("systemctl is-active nginx docker").split() == ["active", "active"] and beta.ssh(nginx)
    assert "nothing to remove" in laptop.cli("destroy", "--yes")
    # And anew, now with the certificate in the first deploy.
    laptop.cli("setup", "beta")
    assert "Asking for a certificate: done" in laptop.cli("deploy")
    client = Client(beta, laptop.user("berta"), internet.acme_root())
    assert client.transcript() == SAID
