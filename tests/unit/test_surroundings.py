"""What surrounds a laptop and a host: logins that speak, other languages, names of ssh's own configuration."""

import ast
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import ROOT
from deploy import host as programs
from deploy.errors import KitError
from deploy.host import files
from deploy.transport import connection
from deploy.transport.connection import Connection, Lost
from deploy.transport.ssh import Ssh

AGENT = shlex.join(("python3", *programs.COMMAND[1:]))


def behind(login: str) -> Connection:
    """A connection to an agent, by way of a login that does this first."""
    return Connection(("sh", "-c", f"{login}\nexec {AGENT}"), "root@vps")


def told(login: str) -> KitError:
    begun = behind(login)
    with pytest.raises(Lost) as lost:
        _ = begun.facts
    begun.close()
    return Ssh("vps", "", 0).explained(lost.value, "root@vps")


@pytest.mark.parametrize(
    "login",
    ["echo hello", "printf 'without an end'", "seq 1 2000", r"printf '\000greffier'", "printf '\n\n'", "echo no >&2"],
)
def test_what_a_login_prints_is_read_past(login: str) -> None:
    with behind(login) as begun:
        assert begun.facts["user"] == files.user(os.geteuid())
        assert begun.ask("read", path="/nowhere/at/all")[0] == {"event": "done", "there": False}


def test_what_the_host_says_in_the_agents_place_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    # As cloud-init has it for root (cc_ssh.py).
    error = told("""echo 'Please login as the user "debian" rather than the user "root".'; echo; sleep 9; exit 142""")
    assert error.message == 'root@vps says: Please login as the user "debian" rather than the user "root".'
    assert error.hint == "Set `user: debian` for it in the inventory."
    assert (
        told("echo Please login as the ec2-user user.; sleep 9").hint == "Set `user: ec2-user` for it in the inventory."
    )
    error = told("echo 'This account is currently not available.'; exit 1")
    assert error.message == "The connection to root@vps ended: This account is currently not available."
    error = told("printf '\\033[31mred\\033[0m\\nnot \\007red\\n'; exit 1")
    assert error.output == "red\nnot red"
    assert told("read line").message == "Something on root@vps reads the input of Greffier's agent."


def test_a_login_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOGIN", 0.6)
    monkeypatch.setattr(connection, "PATIENCE", 0.3)
    error = told("echo Who are you?; sleep 30")
    assert error.message == "root@vps accepts the connection, but does not run Greffier's agent: Who are you?."
    assert "`ssh root@vps true`" in error.hint
    assert told("sleep 30").message == "root@vps accepts the connection, but does not run Greffier's agent."
    assert len(told("yes").output.splitlines()) == connection.SHOWN


def test_programs_speak_english_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de", "COMPOSE_PROJECT_NAME": "other"}.items():
        monkeypatch.setenv(name, value)
    with behind("true") as begun:
        said = dict(begun.lines(("sh", "-c", "echo $LC_ALL-$LANGUAGE-$COMPOSE_PROJECT_NAME")))
    assert said == {1: "C.UTF-8--", 0: "0"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The system's own ssh with another configuration."""
    real, file = shutil.which("ssh"), tmp_path / "config with a space"
    assert real
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {real} -F {shlex.quote(str(file))} "$@"\n')
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def write(text: str) -> None:
        file.write_text(text)

    return write


def user_of(address: str) -> str:
    command = Ssh(address, "", 0).command(("true",))
    return command[command.index("-l") + 1]


def test_the_user_that_sshs_configuration_names(
    config: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = files.user(os.getuid())
    monkeypatch.setattr(files, "user", lambda uid: "anna")  # whom ssh would take where nothing is said
    answers = {"named": "anna", "other": "debian", "silent": ""}
    real = subprocess.run

    def run(command: tuple[str, ...], **about: object) -> subprocess.CompletedProcess[bytes]:
        done = real(command, **about)  # type: ignore[call-overload]
        done.stdout = done.stdout.replace(f"user {me}\n".encode(), b"user anna\n")
        return done  # type: ignore[no-any-return]

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "more").write_text("Host named\n User anna\n")
    config(f"Include {tmp_path}/more\nHost other\n User debian\nHost silent\n Port 2222\n")
    assert {name: user_of(name) for name in answers} == {"named": "anna", "other": "debian", "silent": "root"}
    config("Host *\n User anna\n")
    assert user_of("silent") == "anna"
    command = Ssh("silent", "berta", 0).command(("true",))
    assert command[command.index("-l") + 1] == "berta"


CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Add correct host key in /home/anna/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/anna/.ssh/known_hosts:7
Host key verification failed."""


def test_how_to_forget_a_key_is_said_by_the_name_that_ssh_keeps_it_by(config: Callable[[str], None]) -> None:
    config(
        "Host vps\n HostName 192.0.2.7\nHost away\n HostName 192.0.2.8\n Port 2222\n"
        "Host third\n HostName 192.0.2.9\n HostKeyAlias kept.example.org\n"
    )
    file = "ssh-keygen -f /home/anna/.ssh/known_hosts -R "

    def forget(address: str, port: int = 0) -> str:
        return Ssh(address, "", port).explained(Lost("", said=CHANGED), f"root@{address}").hint.partition(": ")[2]

    assert forget("vps") == f"{file}192.0.2.7"
    assert forget("vps", 2200) == f"{file}'[192.0.2.7]:2200'"
    assert forget("away") == f"{file}'[192.0.2.8]:2222'"
    assert forget("third") == f"{file}kept.example.org"
    assert "ssh -p 2200 root@vps" in Ssh("vps", "", 2200).explained(Lost("", said="Permission denied"), "root@vps").hint


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("env: 'python3': No such file or directory", "vps has no Python."),
        ("sudo: python3: command not found", "vps has no Python."),
        ("env: 'sudo': No such file or directory", "anna@vps has no sudo."),
        ("sudo: a password is required", "anna@vps needs a password for sudo, and there is no terminal to ask on."),
        (
            "sudo: interactive authentication is required",
            "anna@vps needs a password for sudo, and there is no terminal",
        ),
        ("Sorry, try again.\nsudo: 3 incorrect password attempts", "sudo on anna@vps rejected the password."),
        ("No user exists for uid 12345", "ssh does not run for a user without an entry in"),
    ],
)
def test_what_sudo_and_others_say_is_a_sentence(said: str, sentence: str) -> None:
    assert Ssh("vps", "anna", 0).explained(Lost("", said=said), "anna@vps").message.startswith(sentence)


VPS = "hosts:\n  vps: {domain: court.fr, tls: {mode: internal}}\nservices:\n  whisper: {kind: faster-whisper}\n"
HERE = "hosts:\n  here: {runtime: process, domain: localhost}\nservices:\n  whisper: {kind: faster-whisper}\n"


def greffier(folder: Path, *words: str, before: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
    """(status, all that is printed) of a command in a folder, with this environment alone."""
    command = (*before, sys.executable, str(ROOT / "cli.py"), *words)
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("ascii", errors="replace")


def test_a_locale_without_utf8(tmp_path: Path) -> None:
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": str(tmp_path)}
    (tmp_path / "inventory.yml").write_text(VPS, encoding="utf-8")
    for words in (("check",), ("schema",), ("--help",), ("render", "--out", "ascii"), ("init", "new.yml")):
        status, said = greffier(tmp_path, *words, **ascii_alone)
        assert status == 0, said
    assert greffier(tmp_path, "render", "--out", "utf8", HOME=str(tmp_path))[0] == 0
    rendered = [{p.relative_to(top): p.read_bytes() for p in top.rglob("*") if p.is_file()} for top in
                (tmp_path / "ascii", tmp_path / "utf8")]  # fmt: skip
    assert rendered[0] == rendered[1] and len(rendered[0]) > 10
    assert "…" in (tmp_path / "new.yml").read_text(encoding="utf-8")


def test_no_text_is_read_or_written_by_the_locale() -> None:
    found = []
    for path in (ROOT / "cli.py", *(ROOT / "deploy").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            given = {word.arg: word.value for word in node.keywords}
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            as_text = isinstance(given.get("text"), ast.Constant)  # of subprocess
            if (name in ("read_text", "write_text") or as_text) and "encoding" not in given:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that nobody knows")
def test_a_user_whom_the_system_does_not_know(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    unknown = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "--inh-caps=+dac_override",
               "--ambient-caps=+dac_override")  # fmt: skip
    (tmp_path / "inventory.yml").write_text(VPS, encoding="utf-8")
    (tmp_path / "here.yml").write_text(HERE, encoding="utf-8")
    for home in ({}, {"HOME": "/"}):
        assert greffier(tmp_path, "check", before=unknown, **home)[0] == 0
        assert greffier(tmp_path, "render", "--out", f"out{len(home)}", before=unknown, **home)[0] == 0
        status, said = greffier(tmp_path, "status", before=unknown, **home)
        assert status == 3 and "ssh does not run for a user without an entry in" in said
    status, said = greffier(tmp_path, "check", "-i", "here.yml", before=unknown)
    assert status == 2 and "the user 54321 is not in /etc/passwd, and HOME is not set" in said
    assert greffier(tmp_path, "check", "-i", "here.yml", before=unknown, HOME="/")[0] == 0
    assert greffier(tmp_path, "status", "-i", "here.yml", before=unknown, XDG_CACHE_HOME=str(tmp_path))[0] == 0
