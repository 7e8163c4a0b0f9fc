"""An operator's laptop: one inventory, the kit's commands, the system's ssh; and clients that call from outside."""

import io
import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai

from tests.heard import plain
from tests.vps.host import Host
from tests.vps.internet import Internet

ROOT = Path(__file__).resolve().parents[2]
JFK = ROOT / "examples" / "jfk.wav"
SAID = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
MODEL = "Systran/faster-whisper-base"
PATIENCE = 600.0
"""Seconds. A limit for what would otherwise hang; nothing is asserted about how long things take."""


def service(**more: Any) -> dict[str, Any]:
    return {"kind": "faster-whisper", "model": MODEL, "idle": "10m", **more}


def page(**more: Any) -> dict[str, Any]:
    """Somebody else's service, which takes no time to be there: a page that says hello."""
    image = "registry.test/example/hello:1"
    return {"kind": "container", "image": image, "container_port": 8080, "health": "/index.html", **more}


def host(name: str, **more: Any) -> dict[str, Any]:
    """A test host as an inventory names it; its own ssh configuration says where it is."""
    return {"address": name, "domain": f"{name}.test", "tls": {"mode": "internal"}, "request_rate": 10_000, **more}


def inventory(hosts: Mapping[str, Any], services: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"hosts": dict(hosts), "services": {"whisper": service()} if services is None else dict(services)}


UNKNOWN = "could not be looked up from the host: its DNS did not answer"
"""What a deploy says of a name that nobody has pointed: the DNS of the test hosts fails there (SERVFAIL), where others
say that there is no such name."""
ACME = {"mode": "letsencrypt", "server": "https://acme.test/dir"}
OURS = (
    "ls -d /etc/greffier /opt/greffier /var/lib/greffier /var/log/greffier /run/greffier /etc/nginx/conf.d/greffier*"
    " /etc/systemd/system/*greffier* /etc/systemd/system/*/*greffier* /etc/letsencrypt/*/greffier* 2>/dev/null;"
    " docker ps --all --format '{{.Names}}'; docker image ls --format '{{.Repository}}' | grep greffier;"
    " docker volume ls --quiet; getent passwd greffier; getent group greffier; true"
)
"""A command on the host that tells of everything that is the kit's."""
CONTAINER = "$(docker ps --all --quiet --filter label=greffier.service=whisper)"
"""In a command on the host: the container of the service, whichever of the two it is."""


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"it did not come to this: {what}"
        time.sleep(0.05)


BEFORE = ["listen 0.0.0.0:443 ssl http2;", "listen [::]:443 ssl http2;"]
ON = ["http2 on", "listen 0.0.0.0:443 ssl;", "listen [::]:443 ssl;"]
"""How HTTP/2 is asked for, before nginx 1.25.1 and from there on."""


def http2(host: Host) -> list[str]:
    """How the host's files ask for it, where nginx has not a word against them and does speak it."""
    told = host.ssh("nginx -t 2>&1")
    assert "test is successful" in told and "warn" not in told
    name = f"whisper.{host.name}.test"
    call = "curl --silent --insecure --http2 --output /dev/null --write-out '%{http_version}'"
    assert host.ssh(f"{call} --resolve {name}:443:127.0.0.1 https://{name}/") == "2"
    found = host.ssh("grep -rhoE 'listen .*:443 ssl.*|http2 on' /etc/nginx/conf.d /etc/greffier/nginx")
    return sorted(set(found.splitlines()))


def serving_again(host: Host) -> None:
    """Wait for autostart after a boot."""
    until(lambda: host.ssh("systemctl is-active greffier-autostart || true").strip() == "active", "autostart runs")


class Laptop:
    """`folder` holds the inventory, and a program `ssh` that reads the test hosts' configuration; `kit` is another one
    than this where that is what is tried."""

    def __init__(self, folder: Path, internet: Internet, content: Mapping[str, Any], kit: Path = ROOT) -> None:
        self.folder = folder
        self.kit = kit
        self.path = folder / "inventory.yml"
        programs = folder / "bin"
        programs.mkdir(parents=True)
        # OpenSSH takes the home folder from the system's list of users, whatever HOME says.
        self.ssh_config = folder / "ssh_config"
        self.ssh_config.write_text(f"Include {internet.ssh_config}\n")
        ssh = programs / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {shlex.quote(str(self.ssh_config))} "$@"\n')
        ssh.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GREFFIER_INVENTORY": str(self.path),
        }
        self.write(content)

    def write(self, content: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps(content, indent=2) + "\n")

    def command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, str(self.kit / "cli.py"), *words)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """A command that goes on beside the test."""
        return subprocess.Popen(
            self.command(*words),
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell starts what runs in its background deaf to Ctrl-C, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def cli(self, *words: str, status: int = 0, **environment: str) -> str:
        """Run a command to its end and expect its exit status. Returns what it printed, errors last."""
        with self.start(*words, **environment) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"{words}: not done within {PATIENCE:g} s\n{out}\n{err}") from None
        assert process.returncode == status, f"{words}: status {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err, out + err
        return out + err

    def data(self, *words: str, status: int = 0) -> Any:
        """What a command prints with --json."""
        text = self.cli(*words, "--json", status=status)
        return json.JSONDecoder().raw_decode(text)[0]

    def user(self, name: str, *words: str) -> str:
        """Make a user. Returns the API key."""
        return str(self.data("users", "add", name, *words)["api_key"])

    def state(self, name: str = "whisper") -> dict[str, Any]:
        """What `status` says of a service."""
        return next(s for h in self.data("status") for s in h["services"] if s["name"] == name)


def copy_of_the_kit(folder: Path) -> Path:
    """Another kit that a laptop may have, to be changed."""
    folder.mkdir()
    for part in ("deploy", "services", "autostart", "nginx", "cli.py"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("tests", "__pycache__", ".*"))
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def kit_that_trusts(keyring: Path, folder: Path) -> Path:
    """A copy of the kit that takes the key of `keyring` for Docker's."""
    copy_of_the_kit(folder)
    command = ("gpg", "--homedir", str(keyring), "--batch", "--armor", "--export")
    (folder / "deploy/host/docker.asc").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return folder


def beginning(seconds: float) -> bytes:
    """The first seconds of the sentence, as a WAV file."""
    with wave.open(str(JFK)) as whole, io.BytesIO() as file:
        with wave.open(file, "wb") as part:
            part.setparams(whole.getparams())
            part.writeframes(whole.readframes(int(seconds * whole.getframerate())))
        return file.getvalue()


def spoken(times: int) -> bytes:
    """The sentence again and again, as a WAV file."""
    with wave.open(str(JFK)) as whole, io.BytesIO() as file:
        with wave.open(file, "wb") as part:
            part.setparams(whole.getparams())
            part.writeframes(whole.readframes(whole.getnframes()) * times)
        return file.getvalue()


class Client:
    """Somebody on the internet with an API key, who knows a host by its names."""

    def __init__(self, host: Host, key: str, root: str = "") -> None:
        self.host = host
        self.key = key
        self._root = root

    def trust(self) -> ssl.SSLContext:
        root = self._root or self.host.ssh("cat /etc/greffier/tls/ca.pem")
        return ssl.create_default_context(cadata=root)

    def http(self, name: str = "", *, key: str | None = None) -> httpx2.Client:
        """A client of `name`, by default the service's own host name."""
        key = self.key if key is None else key
        return httpx2.Client(
            base_url=f"https://{name or self.name}",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            transport=_At(self.host.address, httpx2.HTTPTransport(verify=self.trust())),
            timeout=PATIENCE,
            trust_env=False,
        )

    @property
    def name(self) -> str:
        return f"whisper.{self.host.name}.test"

    @contextmanager
    def openai(self) -> Iterator[openai.OpenAI]:
        with self.http() as http:
            yield openai.OpenAI(base_url=f"https://{self.name}/v1", api_key=self.key, http_client=http, max_retries=0)

    def transcript(self, audio: bytes | None = None, temperature: float = 0) -> str:
        """The words of a sentence of real speech, or of the given one, by OpenAI's client; `temperature` 0 has
        fallback."""
        with self.openai() as client:
            file = ("speech.wav", audio or JFK.read_bytes())
            return plain(client.audio.transcriptions.create(model=MODEL, file=file, temperature=temperature).text)


class _At(httpx2.BaseTransport):
    """Resolves every name to one address, as a DNS record would."""

    def __init__(self, address: str, inner: httpx2.BaseTransport) -> None:
        self._address, self._inner = address, inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host=self._address)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()
