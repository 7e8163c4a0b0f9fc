"""Somebody is told, once and on the way they chose, of what needs them; and nothing of it holds a secret."""

import datetime as dt
import json
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy import ROOT, render
from deploy.config import secrets
from deploy.config.stack import Stack
from deploy.errors import KitError
from deploy.host import notify as program
from deploy.render import env, notify
from deploy.rollout import survey, verify
from deploy.transport import asking
from deploy.transport.targets import Target
from deploy.types import Secret
from tests.unit.desk import INVENTORY, Desk

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
HOST = "hosts: {vps: {domain: court.fr}}\nservices: {whisper: {kind: faster-whisper}}\n"


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server, as far as one letter needs it."""

    def handle(self) -> None:
        self.wfile.write(b"220 mail ESMTP\r\n")
        letter = b""
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (part := self.rfile.readline()) != b".\r\n":
                    letter += part
                self.server.got.append(message_from_bytes(letter))  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@dataclass
class World:
    """What a host has for its program to look at, and who is told."""

    folder: Path
    config: dict[str, Any]
    told: list[str] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)
    entries: list[dict[str, Any]] | None = field(default_factory=list)
    refuse: bool = False

    def look(self, days: float = 0) -> list[str]:
        """Look, so many days later; what was told by the webhook."""
        self.told.clear()
        self.failures = program.look(self.config, NOW + dt.timedelta(days=days))
        return list(self.told)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    control, state = tmp_path / "control", tmp_path / "told.json"
    config: dict[str, Any] = {
        "host": "vps", "certificate": str(tmp_path / "chain.pem"), "control": str(control), "state": str(state),
        "secrets": str(tmp_path / ".env"), "webhook": "", "mail": None,
    }  # fmt: skip
    there = World(tmp_path, config)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not there.refuse:
                assert body["text"] == body["content"] and body["host"] == "vps"
                there.told.append(body["text"].removeprefix("vps: "))
            self.send_response(500 if there.refuse else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Control(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(json.dumps({"services": there.entries}).encode() if there.entries is not None else b"")

    hook = HTTPServer(("127.0.0.1", 0), Hook)
    post = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
    post.got = there.letters  # type: ignore[attr-defined]
    ask = socketserver.ThreadingUnixStreamServer(str(control), Control)
    servers = (hook, post, ask)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / ".env").write_text(f"WEBHOOK='http://127.0.0.1:{hook.server_port}/s3cret'\n")
    config["mail_port"] = post.server_address[1]
    certify(tmp_path / "chain.pem", NOW - dt.timedelta(days=10), 90)
    yield there
    for server in servers:
        server.shutdown()
        server.server_close()


def certify(path: Path, begin: dt.datetime, days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "court.fr")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=days))
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def service(error: str | None) -> dict[str, Any]:
    return {"name": "whisper", "state": "failed" if error else "asleep", "lastError": error}


def test_the_first_thing_told_is_that_one_is_told(world: World) -> None:
    assert world.look() == [program.HELLO] and world.look() == []


def test_a_certificate_near_its_end_is_told_three_times(world: World) -> None:
    world.look()
    assert world.look(64) == []  # 16 of 90 days are left, and a renewal may still come
    (said,) = world.look(66)
    assert said.startswith("The certificate expires in 14 days, on 2027-02-18, and was not renewed.")
    assert world.look(67) == []
    (said,) = world.look(77.5)
    assert "in 2 days" in said and world.look(78) == []
    (said,) = world.look(81)
    assert said.startswith("The certificate expired on 2027-02-18: clients cannot connect.") and world.look(90) == []
    certify(world.folder / "chain.pem", NOW + dt.timedelta(days=90), 90)
    assert world.look(91) == []


def test_a_service_that_fails_is_told_once_and_so_is_that_it_is_well(world: World) -> None:
    world.look()
    world.entries = [service("out of memory.")]
    assert world.look() == ["whisper failed: out of memory. `greffier logs whisper` shows more."]
    world.entries = [service("out of memory again")]
    assert world.look() == []
    world.entries = [service(None)]
    assert world.look() == ["whisper has recovered."] and world.look() == []


def test_autostart_may_restart_and_not_stay_away(world: World) -> None:
    world.look()
    world.entries = None
    assert world.look() == []
    (said,) = world.look()
    assert said.startswith("autostart is not responding") and world.look() == []
    world.entries = []
    assert world.look() == ["autostart has recovered."] and world.look() == []


def test_what_cannot_be_sent_is_sent_later_and_no_address_is_told(world: World) -> None:
    world.look()
    world.entries, world.refuse = [service("it is broken")], True
    assert world.look() == [] and world.failures and not any("s3cret" in failure for failure in world.failures)
    world.refuse = False
    assert len(world.look()) == 1 and world.failures == [] and world.look() == []
    (world.folder / "told.json").write_text("nonsense")
    assert world.look()[0] == program.HELLO


def test_by_mail(world: World) -> None:
    (world.folder / ".env").write_text("")
    to = {"to": "ops@court.fr", "sender": "vps@court.fr", "server": "127.0.0.1", "user": ""}
    world.config["mail"] = {**to, "port": world.config["mail_port"]}
    world.look()
    world.entries = [service("ein Fehler: größer")]
    world.look()
    assert world.failures == [] and len(world.letters) == 2
    letter = world.letters[1]
    assert (letter["From"], letter["To"]) == ("vps@court.fr", "ops@court.fr")
    text = letter.get_payload(decode=True)
    assert isinstance(text, bytes) and "größer" in text.decode()
    world.config["mail"]["user"] = "vps"  # the server offers no TLS
    assert program.tell(world.config, "x") == ["mail: the server offers no TLS, so the password was not sent"]
    assert len(world.letters) == 2


def test_it_stands_alone(world: World) -> None:
    path = world.folder / "config.json"
    path.write_text(json.dumps(world.config))
    words = (sys.executable, "-I", "-S", str(ROOT / "deploy/host/notify.py"), str(path))
    done = subprocess.run((*words, "A deploy", "is taken back."), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, world.told) == (0, "", ["A deploy is taken back."])
    world.refuse = True
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("webhook: ") and "s3cret" not in done.stderr


WHOM = (
    "notify: {webhook: 'env:HOOK', mail: ops@court.fr, server: 'smtp.court.fr:465', user: vps, password: 'env:SMTP'}\n"
)


def test_what_a_host_gets(resolved: Callable[[str], Stack], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stack = resolved(HOST + WHOM)
    tree = render.tree(stack.hosts[0])
    config = json.loads(tree["/etc/greffier/notify/config.json"].text)
    assert config["mail"] == {
        "to": "ops@court.fr", "sender": "ops@court.fr", "server": "smtp.court.fr", "port": 465, "user": "vps",
    }  # fmt: skip
    assert config["webhook"] == "" and config["control"] == "/run/greffier/autostart.sock"
    kept = tree["/etc/greffier/notify/.env"]
    assert kept.text == "WEBHOOK='<env:HOOK>'\nPASSWORD='<env:SMTP>'\n" and kept.mode == 0o640
    monkeypatch.setenv("HOOK", "https://chat.example/s3cret")
    monkeypatch.setenv("SMTP", "pass word")
    values = secrets.resolve(stack.references, tmp_path)
    (tmp_path / ".env").write_text(kept.content(values))
    assert program.secrets(str(tmp_path / ".env")) == {
        "WEBHOOK": "https://chat.example/s3cret",
        "PASSWORD": "pass word",
    }
    assert "python3 -I /etc/greffier/notify/notify.py /etc/greffier/notify/config.json" in tree[notify.UNIT].text
    assert tree["/etc/greffier/notify/notify.py"].text == (ROOT / "deploy/host/notify.py").read_text()
    assert not any("notify" in path for path in render.tree(resolved(HOST).hosts[0]))
    with pytest.raises(KitError, match="the secret of notify has a quote"):
        env.check_writable(stack, {**values, stack.references[0]: Secret("it's")})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HOST + "notify: {}\n", "notify: no recipient is given (webhook: env:WEBHOOK, or mail and server)"),
        (HOST + "notify: {mail: a@b.fr}\n", "`mail` needs `server` (such as server: smtp.example.org:587)"),
        (HOST + "notify: {server: b.fr}\n", "`server` needs `mail`"),
        (HOST + "notify: {mail: ops, server: b.fr}\n", "'ops' is not an address such as ops@example.org"),
        (HOST + "notify: {webhook: hooks/T0K3N}\n", "not an address that begins with https://"),
        (HOST + "notify: {mail: a@b.fr, server: b.fr, user: x}\n", "`user` needs `password`"),
        (HOST + "notify: {mail: a@b.fr, server: b.fr, user: x, password: T0K3N}\n", "not a reference; write env:NAME"),
        (HOST + "notify: {webhok: 'env:A'}\n", "unknown key 'webhok' (did you mean 'webhook'?)"),
        (HOST + "notify: ops@court.fr\n", "(write notify: {webhook: 'env:HOOK'})"),
        ("hosts: {me: {runtime: process}}\nnotify: {webhook: 'env:A'}\n", "only hosts reached over SSH send"),
    ],
)
def test_whom_to_tell_is_said_rightly(told: Callable[[str], list[str]], text: str, sentence: str) -> None:
    lines = told(text)
    assert any(sentence in line for line in lines) and not any("T0K3N" in line for line in lines), lines


def test_a_deploy_that_is_taken_back_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "https://chat.example/s3cret")
    telling = INVENTORY + "notify: {webhook: 'env:HOOK'}\n"
    (desk.folder / "inventory.yml").write_text(telling)
    assert "reload notify (greffier-notify" in desk.says("plan").out
    assert desk.says("deploy", keep=True).status == 0
    assert "s3cret" not in desk.says("plan").out + desk.says("plan --json").out
    assert "✓ notify: failures are reported" in desk.says("doctor").out
    failures = [KitError("It fails.")]

    def guarded(*_: object) -> None:
        if failures:
            raise failures.pop()

    commands: list[list[str]] = []
    monkeypatch.setattr(verify, "guarded", guarded)
    monkeypatch.setattr(survey, "require", lambda *_: asking.known(None))  # paper has no images
    note_commands(monkeypatch, commands)
    (desk.folder / "inventory.yml").write_text(telling.replace("faster-whisper", "faster-whisper, read_timeout: 8s"))
    said = desk.says("deploy", keep=True)
    assert said.status == 3
    (told,) = [words for words in commands if words[:1] == ["/usr/bin/python3"]]
    assert told[2:4] == ["/etc/greffier/notify/notify.py", "/etc/greffier/notify/config.json"]
    assert told[4].startswith("A deploy by ") and told[4].endswith(" was rolled back: It fails.")
    commands.clear()
    (desk.folder / "inventory.yml").write_text(INVENTORY)
    assert desk.says("deploy", keep=True).status == 0
    assert ["systemctl", "stop", notify.TIMER] in commands
    assert not any("notify" in path for path in json.loads((desk.folder / "host").read_text()))


def note_commands(monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]) -> None:
    """Note each command that a host is to run."""
    right = Target.run

    def run(self: Target, command: Any, **more: Any) -> str:
        commands.append(list(command))
        return right(self, command, **more)

    monkeypatch.setattr(Target, "run", run)


def test_a_socket_that_is_none(tmp_path: Path) -> None:
    assert program.services(str(tmp_path / "none")) is None
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
    assert program.services(str(tmp_path / "deaf")) is None
    assert program.of_certificate(str(tmp_path / "none"), NOW) == {}
