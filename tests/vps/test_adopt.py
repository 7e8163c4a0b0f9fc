"""A host that somebody put together by hand: refused without --adopt, taken over with it, and given back."""

import base64
import json
from collections.abc import Iterator

import pytest

from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import SAID, Client, Laptop, host, inventory, service, until

PROXY = """\
import http.server, urllib.request


class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = urllib.request.urlopen("http://127.0.0.1:8001/").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


http.server.ThreadingHTTPServer(("127.0.0.1", 8890), Proxy).serve_forever()
"""
UNIT = """\
[Unit]
Description=Starts speech to text when it is called
After=docker.service

[Service]
WorkingDirectory=/opt/stt
ExecStart=/usr/bin/python3 /opt/stt/proxy.py --config /opt/stt/config.json
Restart=always

[Install]
WantedBy=multi-user.target
"""
CONFIG = {
    "services": {
        name: {
            "name": name.partition(".")[0],
            "composeDir": "/opt/stt/whisper",
            "proxyPort": 8001,
            "blocking": True,
            "containers": ["faster-whisper"],
        }
        for name in ("whisper.olden.test", "spoken.olden.test")
    }
}
COMPOSE = """\
services:
  whisper:
    image: registry.test/example/hello:1
    container_name: faster-whisper
    restart: unless-stopped
    ports: ["8001:8080"]
"""
VHOST = """\
server {
    listen 80;
    server_name whisper.olden.test spoken.olden.test;
    return 301 https://$host$request_uri;
}
server {
    listen 443 ssl;  # certbot's
    server_name whisper.olden.test spoken.olden.test;
    ssl_certificate /etc/letsencrypt/live/whisper.olden.test/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/whisper.olden.test/privkey.pem;
    auth_basic "Speech";
    auth_basic_user_file .htpasswd;
    location / {
        include snippets/stt-proxy.conf;
    }
}
"""
PORTAL = """\
limit_req_zone $binary_remote_addr zone=calls:1m rate=5r/s;
upstream stt { server 127.0.0.1:8890; }
server {
    listen 443 ssl;
    server_name portal.olden.test;
    ssl_certificate /etc/letsencrypt/live/whisper.olden.test/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/whisper.olden.test/privkey.pem;
    auth_basic "Speech";
    auth_basic_user_file /etc/nginx/.htpasswd;
    location / { proxy_pass http://stt; }
}
"""
BLOG = 'server { listen 80; server_name blog.olden.test; location / { return 200 "a blog\\n"; } }\n'
PASSWORDS = {"anna": "an old password", "ben": "another one"}
LIVE = "/etc/letsencrypt/live/whisper.olden.test"
STATE = (  # everything of the old installation, byte for byte
    "cd / && find opt/stt etc/nginx $(find etc/systemd/system -name 'stt-*') -type l -printf '%p -> %l\\n'"
    " -o -type f -printf '%p %m %u:%g %TY-%Tm-%Td %TT\\n' -exec sha256sum {} ';' | sort;"
    " docker inspect --format '{{.Id}} {{.Name}} {{.HostConfig.RestartPolicy}} {{.State.Running}}'"
    " faster-whisper greffier-whisper;"
    " systemctl is-enabled stt-proxy; systemctl is-active stt-proxy"
)


@pytest.fixture(scope="module")
def olden(internet: Internet) -> Iterator[Host]:
    with Host("olden", internet) as host:
        yield host


def by_hand(host: Host) -> None:
    """Do what an operator would have done, one command after the other."""
    host.ssh(
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && apt-get -q -y install --no-install-recommends"
        " nginx apache2-utils docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
        f" && mkdir -p /opt/stt/whisper {LIVE} && openssl req -x509 -newkey rsa:2048 -nodes -days 30"
        f" -subj /CN=whisper.olden.test -keyout {LIVE}/privkey.pem -out {LIVE}/fullchain.pem"
    )
    host.write("/opt/stt/proxy.py", PROXY)
    host.write("/opt/stt/config.json", json.dumps(CONFIG, indent=2))
    host.write("/opt/stt/whisper/docker-compose.yml", COMPOSE)
    host.write("/etc/systemd/system/stt-proxy.service", UNIT)
    host.write("/etc/nginx/snippets/stt-proxy.conf", "proxy_pass http://127.0.0.1:8890;\n")
    host.write("/etc/nginx/sites-available/whisper", VHOST)
    host.write("/etc/nginx/sites-enabled/portal", PORTAL)
    host.write("/etc/nginx/conf.d/blog.conf", BLOG)
    host.ssh(
        "ln -s ../sites-available/whisper /etc/nginx/sites-enabled/whisper && chmod 640 /etc/nginx/sites-enabled/portal"
        f" && htpasswd -c -b -B /etc/nginx/.htpasswd anna '{PASSWORDS['anna']}'"
        f" && htpasswd -b /etc/nginx/.htpasswd ben '{PASSWORDS['ben']}'"
        " && cd /opt/stt/whisper && docker compose up --detach"
        " && docker create --name greffier-whisper registry.test/example/hello:1"
        " && systemctl enable --now stt-proxy && systemctl reload nginx"
    )
    host.ssh(f"curl --silent --fail --retry 20 --retry-all-errors --insecure --user 'anna:{PASSWORDS['anna']}' {OLD}")


OLD = "--resolve whisper.olden.test:443:127.0.0.1 https://whisper.olden.test/"


def old_page(host: Host) -> str:
    return host.ssh(f"curl --silent --insecure --user 'ben:{PASSWORDS['ben']}' {OLD} || true")


def cut_off(laptop: Laptop, step: str, *words: str) -> None:
    """Kill a command when it begins a step."""
    with laptop.start(*words) as process:
        assert process.stderr
        assert any(line.startswith(f"{step} ...") for line in process.stderr), step
        process.kill()
    until(lambda: laptop.cli("lock", "status").strip() == "olden: nobody", "the lock is given back")


@pytest.fixture(scope="module")
def laptop(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(tmp_path_factory.mktemp("olden"), internet, inventory({"olden": host("olden")}))


def test_a_port_that_a_program_holds_is_named_before_anything_is_installed(laptop: Laptop, olden: Host) -> None:
    olden.ssh("systemd-run --quiet --unit=page --working-directory=/srv python3 -m http.server 443")
    until(lambda: "443" in olden.ssh("ss --listening --tcp --numeric"), "it listens")
    for option in ((), ("--adopt", "--yes")):
        told = laptop.cli("setup", "olden", *option, status=3)
        assert "python3 (process " in told and "in /srv, which page.service needs, listens on 443" in told
    assert olden.ssh("systemctl stop page; ls -d /etc/nginx /etc/greffier /var/lib/greffier 2>/dev/null || true") == ""


def test_a_hand_made_host_is_taken_over_and_given_back(laptop: Laptop, olden: Host) -> None:
    by_hand(olden)
    before = olden.ssh(STATE)
    assert old_page(olden) == "hello\n"

    # Without --adopt all of it is named and left alone.
    named = (
        "stt-proxy.service (python3 in /opt/stt) listens on 8890",
        "container faster-whisper (/opt/stt/whisper/docker-compose.yml) publishes 8001",
        "container greffier-whisper has a name that Greffier needs",
        "/etc/nginx/sites-enabled/whisper answers spoken.olden.test, whisper.olden.test and leads to 8890",
        "/etc/nginx/sites-enabled/portal answers portal.olden.test and leads to 8890",
        "/etc/nginx/.htpasswd",
    )
    for verb in ("setup", "olden"), ("deploy",):
        told = laptop.cli(*verb, status=3)
        assert all(sentence in told for sentence in named) and "`greffier setup olden --adopt`" in told
    told = laptop.cli("setup", "olden", "--adopt", status=2)
    assert all(sentence in told for sentence in named[:-1])
    assert "becomes /etc/nginx/before-greffier/portal.bak" in told and "ben, with the current password" in told
    assert "spoken.olden.test is not in the inventory" in told and "Nothing was done" in told

    # nginx must be well before, and be well without what is taken out.
    olden.write("/etc/nginx/conf.d/broken.conf", "server {\n")
    assert "nginx on olden rejects its current configuration" in laptop.cli("setup", "olden", status=3)
    assert (
        olden.ssh("rm /etc/nginx/conf.d/broken.conf; ls -d /etc/greffier /var/lib/greffier 2>/dev/null || true") == ""
    )
    olden.write(
        "/etc/nginx/conf.d/broken.conf", "server { listen 80; server_name b.olden.test; limit_req zone=calls; }"
    )
    told = laptop.cli("setup", "olden", "--adopt", "--yes", status=3)
    assert "nginx rejects its configuration without" in told and '"calls"' in told
    olden.ssh("rm /etc/nginx/conf.d/broken.conf")
    assert olden.ssh(STATE) == before and old_page(olden) == "hello\n"

    # Cut off in the middle of it, it is finished by another time.
    adopt = ("setup", "olden", "--adopt", "--yes")
    cut_off(laptop, "Moving /etc/nginx/sites-enabled/whisper aside", *adopt)
    assert "stt-proxy.service" in laptop.cli("setup", "olden", status=3)
    cut_off(laptop, "Stopping container faster-whisper", *adopt)
    assert "olden is ready" in laptop.cli(*adopt)
    assert "was already set up" in laptop.cli("setup", "olden")
    assert not [step for step in laptop.data("plan", status=4)["olden"] if "image" in step["what"]]
    assert olden.ssh("stat -c '%a %U' /var/lib/greffier/adopted.json").strip() == "600 root"

    # A first deploy that fails names the way back.
    laptop.write(inventory({"olden": host("olden")}, {"whisper": service(environment={"STT_QUEUE": "many"})}))
    assert "`greffier setup olden --undo-adopt` restores what was there before" in laptop.cli("deploy", status=3)
    laptop.write(inventory({"olden": host("olden")}))

    # Who called before calls now, with the same password; and what was not in the way is as it was.
    laptop.cli("deploy")
    for user, password in PASSWORDS.items():
        key = base64.b64encode(f"{user}:{password}".encode()).decode().rstrip("=")
        client = Client(olden, key)
        assert client.transcript() == SAID
    assert {user["name"]: user["advice"][:4] for user in laptop.data("users", "list")} == {
        "anna": "slow",
        "ben": "weak",
    }
    assert olden.ssh("curl --silent -H 'Host: blog.olden.test' http://127.0.0.1/") == "a blog\n"
    assert "was already set up" in laptop.cli("setup", "olden")
    assert laptop.cli("plan").strip() == "olden: nothing to do."

    # Back to it; but not over what was changed in between.
    undo = ("setup", "olden", "--undo-adopt", "--yes")
    olden.ssh("mv /etc/nginx/before-greffier/portal.bak /root/ && touch /etc/nginx/sites-enabled/whisper")
    told = laptop.cli(*undo, status=3)
    assert "/etc/nginx/before-greffier/portal.bak, formerly /etc/nginx/sites-enabled/portal, is gone" in told
    assert "/etc/nginx/sites-enabled/whisper exists, and is no longer a link" in told
    assert client.transcript() == SAID
    olden.ssh("mv /root/portal.bak /etc/nginx/before-greffier/ && rm /etc/nginx/sites-enabled/whisper")
    assert "restores what was there" in laptop.cli("destroy", "--yes", "--volumes")
    cut_off(laptop, "Restoring stt-proxy.service", *undo)
    assert "restored to its state before Greffier" in laptop.cli(*undo)
    assert olden.ssh(STATE) == before
    until(lambda: old_page(olden) == "hello\n", "the old installation serves again")
    assert "nothing to undo" in laptop.cli(*undo, status=3)
