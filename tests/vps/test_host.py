"""The test host is what it says it is. What the kit does with it is tested beside this file."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.vps.engine import VpsError
from tests.vps.host import ADMIN_PASSWORD, Host
from tests.vps.internet import Internet, wait

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bare(internet: Internet) -> Iterator[Host]:
    with Host("bare", internet) as host:
        yield host


@pytest.fixture(scope="module")
def server(internet: Internet) -> Iterator[Host]:
    """A host with Docker, nginx and certbot."""
    with Host("server", internet, "server") as host:
        yield host


def test_a_bare_host_has_systemd_and_sudo_and_nothing_to_serve_with(bare: Host) -> None:
    assert bare.ssh("systemctl is-system-running --wait").strip() == "running"
    assert bare.ssh("for name in docker nginx certbot; do command -v $name; done; true") == ""
    assert bare.ssh("sudo -n id -u", user="debian").strip() == "0"
    assert bare.ssh("sudo -S -p '' id -u", user="admin", stdin=ADMIN_PASSWORD + "\n").strip() == "0"
    with pytest.raises(VpsError, match="a password is required"):
        bare.ssh("sudo -n id -u", user="admin")


def test_apt_offers_docker_in_the_version_of_debian_and_in_its_own(bare: Host) -> None:
    bare.ssh("apt-get -q update")
    assert "Candidate: 20.10" in bare.ssh("apt-cache policy docker.io")
    assert "Candidate: 26" in bare.ssh("apt-cache policy docker-ce")
    assert bare.ssh("apt-cache policy docker-compose-v2") == ""


def test_hosts_reach_each_other_and_nothing_else(internet: Internet, bare: Host) -> None:
    with Host("other", internet) as other:
        other.ssh("ping -c 1 -W 5 bare.test && ping -c 1 -W 5 acme.test")
        bare.ssh("ping -c 1 -W 5 other.test")
        assert "other" in subprocess.run(
            ["ssh", "-F", internet.ssh_config, "other", "hostname"], capture_output=True, text=True, check=True
        ).stdout  # fmt: skip
        with pytest.raises(VpsError):
            bare.ssh("curl --silent --max-time 20 http://www.example.com")


def test_docker_runs_a_container_with_a_published_port(server: Host) -> None:
    assert server.ssh("docker info --format '{{.Driver}}'").strip() == "overlay2"
    server.ssh("docker run --detach --name hello --publish 127.0.0.1:8080:8080 example/hello:1")
    try:
        page = "curl --silent --show-error --retry 20 --retry-connrefused --retry-delay 1 --fail http://127.0.0.1:8080/"
        assert server.ssh(page) == "hello\n"
    finally:
        server.ssh("docker rm --force hello")


def test_compose_builds_from_the_registry_and_the_package_index_and_waits_for_health(server: Host) -> None:
    server.ssh("mkdir -p /srv/app")
    server.write(
        "/srv/app/Dockerfile",
        "FROM python:3.11-slim\nRUN pip install --no-cache-dir httptools\n"
        "RUN apt-get update && apt-get install -y tini\n"
        "RUN tini --version && python -c 'import httptools'\n"
        'USER 10001\nCMD ["python", "-m", "http.server", "8000"]\n',
    )
    server.write(
        "/srv/app/compose.yml",
        "services:\n  app:\n    build: .\n    read_only: true\n    cap_drop: [ALL]\n    mem_limit: 256m\n"
        "    ports: ['127.0.0.1:8001:8000']\n    healthcheck:\n      interval: 1s\n"
        "      test: [CMD, python, -c, 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:8000\")']\n",
    )
    try:
        server.ssh("cd /srv/app && docker compose up --detach --wait --wait-timeout 60", timeout=180)
        assert "healthy" in server.ssh("cd /srv/app && docker compose ps")
        server.ssh("curl --silent --fail http://127.0.0.1:8001/")
    finally:
        server.ssh("cd /srv/app && docker compose down --rmi all; rm -r /srv/app")


def test_the_host_installs_locked_wheels_and_pulls_from_a_private_registry(server: Host) -> None:
    server.write("/tmp/requirements.lock", (ROOT / "autostart/requirements.lock").read_text())
    server.ssh("python3 -m venv /tmp/v && /tmp/v/bin/pip install --require-hashes --requirement /tmp/requirements.lock")
    server.ssh("docker pull registry.test/example/hello:1")


def test_certbot_gets_a_certificate_that_the_world_outside_can_check(internet: Internet, server: Host) -> None:
    domain = "whisper.server.test"
    internet.point(domain, server.inside)
    server.ssh(
        "certbot certonly --non-interactive --agree-tos --register-unsafely-without-email"
        f" --server https://acme.test/dir --webroot --webroot-path /var/www/html --domain {domain}"
    )
    server.write(
        "/etc/nginx/conf.d/tls.conf",
        f"server {{ listen 443 ssl; server_name {domain}; root /var/www/html;"
        f" ssl_certificate /etc/letsencrypt/live/{domain}/fullchain.pem;"
        f" ssl_certificate_key /etc/letsencrypt/live/{domain}/privkey.pem; return 200 ok; }}\n",
    )
    server.ssh("nginx -t && systemctl reload nginx")
    # A reload is answered before the new workers listen.
    wait("nginx with TLS", lambda: get(server.address, domain, internet.acme_root()))
    assert get(server.address, domain, internet.acme_root()) == b"ok"


def get(address: str, domain: str, root: str) -> bytes:
    """GET / over TLS, with the name checked against that root alone."""
    context = ssl.create_default_context(cadata=root)
    connection = http.client.HTTPSConnection(domain, timeout=20, context=context)
    with socket.create_connection((address, 443), timeout=20) as plain:
        connection.sock = context.wrap_socket(plain, server_hostname=domain)
        connection.request("GET", "/")
        return connection.getresponse().read()


@pytest.mark.parametrize("interruption", ["reboot", "power_cut"])
def test_disks_and_services_survive(server: Host, interruption: str) -> None:
    server.ssh("docker run --detach --name kept --restart always --publish 127.0.0.1:8080:8080 example/hello:1; sync")
    try:
        key, machine = server.known_hosts.read_text(), server.ssh("cat /etc/machine-id")
        getattr(server, interruption)()
        assert server.ssh("systemctl is-system-running --wait || systemctl --failed").strip() == "running"
        assert server.ssh("systemctl is-active docker nginx").split() == ["active", "active"]
        page = "curl --silent --show-error --retry 20 --retry-connrefused --retry-delay 1 --fail http://127.0.0.1:8080/"
        assert server.ssh(page) == "hello\n"
        server.trust()
        assert (key, machine) == (server.known_hosts.read_text(), server.ssh("cat /etc/machine-id"))
    finally:
        server.ssh("docker rm --force kept")


def left(internet: Internet, number: int, volumes: list[str]) -> list[str]:
    """What the engine still has of an internet, or of these volumes."""
    docker = internet.engine.docker
    chosen = ("--filter", f"label=greffier.vps={number}")
    kept = set(docker("volume", "ls", "--quiet").split()) & set(volumes)
    return [
        *docker("ps", "--all", "--quiet", *chosen).split(), *docker("network", "ls", "--quiet", *chosen).split(), *kept,
    ]  # fmt: skip


VOLUMES = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'


def test_nothing_is_left_when_it_ends(internet: Internet) -> None:
    with ExitStack() as stack:
        host = stack.enter_context(Host("brief"))
        number, container = host.internet.number, host.internet.name("brief")
        assert number != internet.number
        volumes = internet.engine.docker("inspect", "--format", VOLUMES, container).split()
        assert len(volumes) == 1
        assert len(left(internet, number, volumes)) == 7
    assert left(internet, number, volumes) == []


def test_what_a_killed_run_left_is_removed_by_the_next(internet: Internet) -> None:
    program = (
        "import sys\nfrom tests.vps.host import Host\n"
        "with Host('lost') as host:\n print('number', host.internet.number, flush=True)\n sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        number = next(int(line.split()[1]) for line in run.stdout if line.startswith("number"))
        os.kill(run.pid, signal.SIGKILL)
    container = f"greffier-vps-{number}-lost"
    volumes = internet.engine.docker("inspect", "--format", VOLUMES, container).split()
    assert len(left(internet, number, volumes)) == 7
    with Internet():
        assert container not in internet.engine.docker("ps", "--all", "--format", "{{.Names}}")
    assert left(internet, number, volumes) == []
