"""A running autostart with its services, for the tests."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from greffier_autostart.control import ask

HERE = Path(__file__).parent
DOMAIN = "example.org"


def free_port() -> int:
    """A port below those that the kernel gives to outgoing connections, so that none of ours takes it."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Waits for a condition; the time is only what a broken build may take to fail."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


class House:
    """Everything lies under one folder. `services` is the configuration's section, free to be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.json"
        self.control_path = folder / "run" / "autostart.sock"
        self.control_path.parent.mkdir()
        self.services: dict[str, dict[str, Any]] = {}
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.environment: dict[str, str] = {}
        self.starter: list[str] = []
        self.passed: tuple[int, ...] = ()
        self.log = folder / "autostart.log"

    def add(
        self,
        name: str = "whisper",
        *,
        program: str = "child.py",
        environment: dict[str, str] | None = None,
        **keys: Any,
    ) -> dict[str, Any]:
        port = keys.pop("proxyPort", None) or free_port()
        entry: dict[str, Any] = {
            "name": name,
            "composeDir": str(self.folder),
            "proxyPort": port,
            "blocking": True,
            "containers": [f"greffier-{name}"],
            "driver": "process",
            "release": "1",
            "idleSeconds": 600,
            "startSeconds": 20,
            "stopSeconds": 5,
            "process": {
                "command": [sys.executable, str(HERE / program)],
                "directory": str(self.folder),
                "environment": {
                    "PORT": str(port),
                    "STARTS": str(self.folder / f"{name}.starts"),
                    "GATE": str(self.folder / "gate"),
                    **(environment or {}),
                },
                "log": str(self.folder / f"{name}.log"),
            },
        }
        self.services[f"{name}.{DOMAIN}"] = {**entry, **keys}
        return self.services[f"{name}.{DOMAIN}"]

    def document(self) -> dict[str, Any]:
        return {"listen": "127.0.0.1:0", "control": str(self.control_path), "services": self.services}

    def write_config(self) -> None:
        self.config.write_text(json.dumps(self.document()))

    def start(self) -> None:
        self.write_config()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *self.starter,
                    sys.executable,
                    "-m",
                    "greffier_autostart",
                    "serve",
                    "--config",
                    str(self.config),
                ],
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(HERE.parent / "src"), **self.environment},
                pass_fds=self.passed,
            )
        wait_until(lambda: self.process.poll() is not None or self.events("listening"), "autostart to listen")
        assert self.process.poll() is None, self.log.read_text()
        self.port = int(self.events("listening")[0]["address"].rpartition(":")[2])

    def hold_address(self) -> socket.socket:
        """Listen in its place, and pass that on when it starts, as systemd does."""
        held = socket.create_server(("127.0.0.1", 0))
        self.passed = (held.fileno(),)
        script = f'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&{held.fileno()}'
        self.starter = ["bash", "-c", script, "bash"]
        return held

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.events("internal error")  # there must be none

    def events(self, kind: str) -> list[dict[str, Any]]:
        text = self.log.read_text()
        assert "Traceback" not in text and "internal error" not in text, text
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == kind]

    def control(self, command: str, name: str | None = None) -> dict[str, Any]:
        return ask(self.control_path, command, name)

    def status(self, name: str = "whisper") -> dict[str, Any]:
        found: dict[str, Any] = next(s for s in self.control("status")["services"] if s["name"] == name)
        return found

    def starts(self, name: str = "whisper") -> int:
        path = self.folder / f"{name}.starts"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_at_gate(self, sock: socket.socket, method: str = "GET", body: bytes = b"") -> None:
        """Sends a request that is answered when the file `gate` appears; returns when the service itself has it.

        That it is in flight is not enough: the relay may not have sent it yet, and would then send it to another run.
        """
        asked = self.folder / "gate.asked"
        before = asked.stat().st_size if asked.exists() else 0
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        sock.sendall(f"{method} /gate HTTP/1.1\r\nHost: whisper.{DOMAIN}\r\n{length}\r\n".encode() + body)
        wait_until(lambda: asked.exists() and asked.stat().st_size > before, "the request to arrive")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def http(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        name: str = "whisper",
        connection: http.client.HTTPConnection | None = None,
        **headers: str,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            fields = {key.replace("_", "-"): value for key, value in headers.items()}
            own.request(method, path, body, {"Host": f"{name}.{DOMAIN}", **fields})
            response = own.getresponse()
            return response, response.read()
        finally:
            if connection is None:
                own.close()

    def json(self, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        response, body = self.http(path, **options)
        return response.status, json.loads(body)


def receive(sock: socket.socket, until: bytes) -> bytes:
    """Reads until the bytes end with `until`, or the other side closed."""
    data = b""
    while not data.endswith(until) or not until:
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return data
