"""A deployment on this machine as an operator has it: an inventory, `cli.py`, and what clients do with the result."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
from openai import AzureOpenAI

from deploy.runtime import ports

ROOT = Path(__file__).resolve().parents[2]
JFK = ROOT / "examples" / "jfk.wav"
SAID = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
"""In it, as `tests.heard.plain` has it."""

MODEL = "Systran/faster-whisper-base"
HOST = "here"
CURL = ("curl", "--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}", "--header", "@-")
PATIENCE = 300.0
"""Seconds. A limit for what would otherwise hang; nothing is asserted about how long things take."""


def service(**more: Any) -> dict[str, Any]:
    return {"kind": "faster-whisper", "model": MODEL, "start_timeout": "5m", **more}


def inventory(services: Mapping[str, Any] | None = None, **host: Any) -> dict[str, Any]:
    """One host of this machine; `host` are more of its keys."""
    entry = {"runtime": "process", "tls": {"mode": "internal"}, "request_rate": 10_000, **host}
    return {"hosts": {HOST: entry}, "services": services or {"whisper": service()}}


def free_port() -> int:
    """A port below those that the kernel gives to outgoing connections, so that none of ours takes it."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        if ports.free(port):
            return port


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"it did not come to this: {what}"
        time.sleep(0.02)


def processes(folder: Path) -> dict[int, str]:
    """What runs from a folder or has a file of it open, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            links = [os.readlink(link) for link in (entry / "fd").iterdir()]
        except OSError:  # of another user, or gone
            continue
        if any(str(folder) in text for text in (words, *links)):
            found[int(entry.name)] = words
    return found


class Kit:
    """One inventory in a folder of its own; everything that a deploy makes lies beside it."""

    def __init__(self, folder: Path, content: Mapping[str, Any], **environment: str) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.spool.mkdir(parents=True)
        # Services inherit TMPDIR by way of autostart: where uploads are spooled can be watched.
        self.environment = {**os.environ, "TMPDIR": str(self.spool), "PATH": _without_docker(folder), **environment}
        self.path = folder / "inventory.yml"
        self.write(content)
        self.told = ""
        self.api_key = ""
        self.password = ""

    # The operator

    def write(self, content: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps(content, indent=2) + "\n")

    def command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, str(ROOT / "cli.py"), *words)

    def cli(self, *words: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this inventory, and expect its exit status."""
        done = subprocess.run(
            self.command(*words),
            env={**self.environment, "GREFFIER_INVENTORY": str(self.path), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "Greffier hit a bug" not in done.stderr, done.stderr
        return done

    def user(self, name: str = "anna") -> None:
        made = json.loads(self.cli("users", "add", name, "--json").stdout)
        self.api_key, self.password = made["api_key"], made["password"]

    def end(self) -> None:
        """Destroy it; nothing may be left."""
        try:
            self.cli("destroy", "--yes")
            left = processes(self.root)
        finally:
            for pid in processes(self.root):
                os.kill(pid, signal.SIGKILL)
        assert not left, left
        assert not self.root.exists()

    # What a deploy made

    @property
    def root(self) -> Path:
        return self.folder / ".greffier" / HOST

    @property
    def ports(self) -> dict[str, int]:
        return dict(json.loads((self.root / "ports.json").read_text()))

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.ports['https']}"

    @property
    def authority(self) -> str:
        return str(self.root / "etc" / "tls" / "ca.pem")

    def config(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "etc" / "autostart" / "config.json").read_text()))

    def log(self, name: str) -> str:
        path = self.root / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def logged(self, *parts: str) -> list[str]:
        """Lines of nginx's access log that have all of these parts, from requests that are over by now."""
        mark = f"mark-{time.monotonic_ns()}"
        with self.http() as client:
            client.get("/whisper/health", headers={"User-Agent": mark})
        until(lambda: mark in self.log("nginx-access"), "a later request is in the log")
        return [line for line in self.log("nginx-access").splitlines() if all(part in line for part in parts)]

    def ask(self, command: str, name: str | None = None) -> dict[str, Any]:
        """One command to autostart over its control socket."""
        directory = os.open(self.root / "run", os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                # A unix socket's address has room for about a hundred bytes; a test's folder may be longer.
                connection.connect(f"/proc/self/fd/{directory}/autostart.sock")
                connection.sendall(json.dumps({"command": command, "name": name}).encode() + b"\n")
                with connection.makefile("rb") as file:
                    return dict(json.loads(file.read()))
        finally:
            os.close(directory)

    def state(self, name: str = "whisper") -> dict[str, Any]:
        return next(entry for entry in self.ask("status")["services"] if entry["name"] == name)

    def asleep(self, name: str = "whisper") -> int:
        """Make it sleep once nothing is in flight. Returns how often it was started so far."""

        def slept() -> bool:
            self.ask("sleep", name)
            return self.state(name)["state"] == "asleep"

        until(slept, f"{name} sleeps")
        return int(self.state(name)["starts"])

    def awake(self, name: str = "whisper") -> None:
        answer = self.ask("wake", name)
        assert answer.get("state") == "ready", answer

    def metric(self, name: str) -> float:
        """A value of the awake service's own metrics, added up over its labels."""
        lines = self.http().get("/whisper/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    # Clients

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def http(self, *, key: str | None = None, address: str | None = None, name: str = "localhost") -> httpx2.Client:
        """A plain client. `key` empty: none is sent; `address`: its own one; `name`: the host name it asks for."""
        key = self.api_key if key is None else key
        port = self.ports["https"]
        return httpx2.Client(
            base_url=f"https://127.0.0.1:{port}",
            headers={"Host": f"{name}:{port}"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            transport=_Named(name, httpx2.HTTPTransport(verify=self.trust(), local_address=address)),
            timeout=PATIENCE,
            trust_env=False,
        )

    def openai(self, *, base: str = "", key: str | None = None, **more: Any) -> openai.OpenAI:
        """OpenAI's own client, which learns whom to trust as its users tell it."""
        key = self.api_key if key is None else key
        with _ONE_AT_A_TIME, _environment(SSL_CERT_FILE=self.authority, NO_PROXY="localhost"):
            base = base or f"{self.origin}/whisper/v1"
            return openai.OpenAI(base_url=base, api_key=key, **({"timeout": PATIENCE} | more))

    def azure(self, *, base: str = "", key: str | None = None) -> AzureOpenAI:
        """Azure's client, which sends the key in a header of its own and names the model in the path."""
        key = self.api_key if key is None else key
        with _ONE_AT_A_TIME, _environment(SSL_CERT_FILE=self.authority, NO_PROXY="localhost"):
            base = base or f"{self.origin}/whisper"
            return AzureOpenAI(azure_endpoint=base, api_key=key, api_version="2024-06-01", timeout=PATIENCE)

    def transcribed(self, audio: Path = JFK, **more: Any) -> Any:
        with audio.open("rb") as file, self.openai() as client:
            return client.audio.transcriptions.create(model=MODEL, file=file, **more)

    def post(self, audio: bytes, *, name: str = "speech.wav", **fields: Any) -> httpx2.Response:
        with self.http() as client:
            return client.post(
                "/whisper/v1/audio/transcriptions", files={"file": (name, audio)}, data={"model": MODEL, **fields}
            )

    def node(self, program: str, **environment: str) -> Any:
        """What a program of tests/npm prints, as JSON."""
        done = subprocess.run(
            ("node", str(ROOT / "tests" / "npm" / program)),
            env={
                **os.environ,
                "NODE_EXTRA_CA_CERTS": self.authority,
                "BASE_URL": f"{self.origin}/whisper/v1",
                "API_KEY": self.api_key,
                "AUDIO": str(JFK),
                "MODEL": MODEL,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def curl(self, *words: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and body. Headers go by standard input, as a careful user has it: arguments are seen by others."""
        done = subprocess.run(
            (*CURL, "--cacert", self.authority, *words),
            input="".join(f"{name}: {value}\n" for name, value in (headers or {}).items()),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def connection(self, name: str = "localhost", *, address: str = "") -> ssl.SSLSocket:
        """A bare TLS connection, for what no client does. `address`: its own one."""
        raw = socket.create_connection(("127.0.0.1", self.ports["https"]), PATIENCE, (address, 0))
        return self.trust().wrap_socket(raw, server_hostname=name)

    def upload(self, audio: bytes) -> tuple[bytes, bytes]:
        """Head and body of a transcription's request, for a bare connection."""
        request = httpx2.Request(
            "POST",
            f"{self.origin}/whisper/v1/audio/transcriptions",
            headers=self.bearer() | {"Connection": "close"},
            files={"file": ("speech.wav", audio)},
            data={"model": MODEL},
        )
        body = request.read()
        lines = [f"POST {request.url.path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode(), body


class _Named(httpx2.BaseTransport):
    """Asks for a host name in TLS that the machine's resolver need not know."""

    def __init__(self, name: str, inner: httpx2.BaseTransport) -> None:
        self._name, self._inner = name, inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["sni_hostname"] = self._name
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


_ONE_AT_A_TIME = threading.Lock()
"""Whom OpenAI's client trusts is this process's environment when it is made."""


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


CALLED = "docker was called"


def _without_docker(folder: Path) -> str:
    """A PATH whose docker only leaves a mark."""
    place = folder / "bin"
    place.mkdir()
    (place / "docker").write_text(f'#!/bin/sh\n: >"{folder / CALLED}"\nexit 127\n')
    (place / "docker").chmod(0o755)
    return f"{place}:{os.environ['PATH']}"


@contextmanager
def deployed(folder: Path, content: Mapping[str, Any], **environment: str) -> Iterator[Kit]:
    """A kit that is deployed, with one user, and destroyed in the end."""
    kit = Kit(folder, content, **environment)
    try:
        kit.told = kit.cli("deploy").stderr
        kit.user()
        yield kit
        assert not (folder / CALLED).exists(), "a host that runs processes may have no Docker, and was asked for it"
    finally:
        kit.end()
        shutil.rmtree(kit.spool, ignore_errors=True)
