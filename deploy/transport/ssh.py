"""The way to a host: the system's OpenSSH, and what it says when it fails."""

import getpass
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from deploy import host as programs
from deploy.errors import HOST, KitError
from deploy.host import files
from deploy.program_output import last_line, readable, sentence
from deploy.transport.connection import REFUSED, STUCK, Connection, Lost
from deploy.types import Secret

READING = "debug1: Reading configuration data "
SYSTEM = "/etc/ssh/ssh_config"
SSH_FAILED = 255
"""ssh's own status; any other is that of the command."""


ENGLISH = ("env", "LC_ALL=C")
"""Before what is run there: what sudo and shells say when they refuse is read here."""
PLAIN_SECONDS = 900
"""For a command without an agent: long enough for apt on a slow host."""
NOBODY = "greffier-asks"
"""A user whom no configuration names."""


@dataclass(frozen=True)
class Ssh:
    """How a host is reached. Empty user and port 0: as ~/.ssh/config says, and else root on 22."""

    address: str
    user: str
    port: int

    def command(self, words: Sequence[str]) -> tuple[str, ...]:
        """The system's OpenSSH, so that ~/.ssh/config, agent, jump hosts and known_hosts apply."""
        port = ("-p", str(self.port)) if self.port else ()
        options = ("-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3", "-T")
        return (_program(), *options, *port, "-l", self._user(), "--", self.address, shlex.join(words))

    def _user(self) -> str:
        if self.user:
            return self.user
        found = self._configured("user")
        # Where nothing is said of it, ssh takes the name that one has here.
        return found if found and (found != files.user(os.getuid()) or self._names_user()) else "root"

    def hostname(self) -> str:
        """The address as other programs know it: what ~/.ssh/config says of the name."""
        return self._configured("hostname") or self.address

    def _configured(self, key: str, *options: str) -> str:
        said = _run((_program(), *options, "-G", "--", self.address)).stdout
        found = [
            line.partition(" ")[2] for line in said.decode(errors="replace").splitlines() if line.startswith(f"{key} ")
        ]
        return found[0] if found else ""

    def _names_user(self) -> bool:
        """Whether the configuration itself names a user: then one that is said after it does not count."""
        told = _run((_program(), "-v", "-G", "--", self.address)).stderr.decode(errors="replace")
        read = [line.partition(READING)[2].strip() for line in told.splitlines() if READING in line]
        # What these include is read with them.
        tops = dict.fromkeys([*read[:1], *(path for path in read if path == SYSTEM)])
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.writelines(f'Include "{os.path.abspath(path)}"\n' for path in tops)
            file.write(f"Match all\n User {NOBODY}\n")
            file.flush()
            return self._configured("user", "-F", file.name) not in ("", NOBODY)

    def plain(self, words: Sequence[str]) -> None:
        """Run a command without an agent, which needs Python. Raises KitError."""
        user = self._user()
        name = f"{user}@{self.address}"
        try:
            done = _run(self.command((*ENGLISH, *_sudo(user), *words)), PLAIN_SECONDS)
        except subprocess.TimeoutExpired as late:
            said = readable((late.stdout or b"").decode(errors="replace"))
            hint = STUCK.format(name=name)
            raise KitError(f"`{words[0]}` did not end on {name}.", hint, output=said, code=HOST) from None
        printed = done.stdout + done.stderr
        said = readable(printed.decode(errors="replace"))
        if done.returncode == SSH_FAILED or (done.returncode and (b"sudo:" in printed or REFUSED.search(printed))):
            raise self.explained(Lost(f"The connection to {name} ended", said=said), name)
        if done.returncode:
            raise KitError(sentence(f"`{words[0]}` failed on {name}", last_line(said)), output=said, code=HOST)

    def start(self) -> Connection:
        """Begin to connect to an agent on the host, as root."""
        user = self._user()
        return Connection(self.command((*ENGLISH, *_sudo(user), *programs.COMMAND)), f"{user}@{self.address}")

    def greet(self, begun: Connection) -> Connection:
        """Wait for the agent; a password that sudo wants is asked for. Raises KitError with a sentence for what went
        wrong."""
        try:
            return _greeted(begun)
        except Lost as error:
            if not (any(sign in error.said for sign in PASSWORD) and sys.stdin.isatty()):
                raise self.explained(error, begun.name) from None
        secret = Secret(getpass.getpass(f"sudo password of {begun.name}: "))
        words = (*ENGLISH, "sudo", "-S", "-p", "", "--", *programs.COMMAND)
        try:
            return _greeted(Connection(self.command(words), begun.name, password=secret))
        except Lost as error:
            raise self.explained(error, begun.name) from None

    def explained(self, error: Lost, name: str) -> KitError:
        """What ssh or the host said, as a sentence with a hint."""
        said = f"{error.noise}\n{error.said}"
        wanted = re.search(r"[Pp]lease log ?in as (?:the )?(?:user )?[\"']?([a-z_][a-z0-9_.-]*)", said)
        if wanted:
            hint = f"Set `user: {wanted[1]}` for it in the inventory."
            return KitError(f"{name} says: {wanted[0]}{_rest(said, wanted.end())}", hint, code=HOST)
        for sign, message, hint in _SENTENCES:
            if sign in error.said:
                words = {"name": name, "address": self.address, "ssh": self._by_hand(name)}
                words["forget"] = self._forget(error.said) if "{forget}" in hint else ""
                told = [text.format(**words) for text in (message, hint)]
                return KitError(*told, output=error.noise, code=HOST)
        return error

    def _by_hand(self, name: str) -> str:
        return f"ssh -p {self.port} {name}" if self.port else f"ssh {name}"

    def _forget(self, said: str) -> str:
        """The command that has ssh forget the host's key: it keeps that by another name than an alias."""
        alias, port = self._configured("hostkeyalias"), self.port or int(self._configured("port") or 22)
        kept = alias or (self.hostname() if port == 22 else f"[{self.hostname()}]:{port}")
        file = re.search(r"^Offending \S+ key in (.+):\d+\s*$", said, re.MULTILINE)
        return shlex.join(("ssh-keygen", *(("-f", file[1]) if file else ()), "-R", kept))


def _program() -> str:
    found = shutil.which("ssh")
    if not found:
        raise KitError("This machine has no ssh program.", "Install OpenSSH's client: apt-get install openssh-client")
    return found


def _run(command: Sequence[str], seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)


def _sudo(user: str) -> tuple[str, ...]:
    return () if user == "root" else ("sudo", "-n", "--")


def _rest(said: str, end: int) -> str:
    """The rest of a line of what was said, with a full stop."""
    return said[end:].split("\n", 1)[0].rstrip(". ") + "."


def _greeted(connection: Connection) -> Connection:
    try:
        _ = connection.facts  # the first thing it says
    except Lost:
        connection.close()
        raise
    return connection


PASSWORD = ("password is required", "interactive authentication is required")
"""What sudo says where it may not ask, and sudo-rs."""

_SENTENCES = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "The host key of {name} has changed.",
     "Someone may be intercepting the connection, or the host was reinstalled. If you are sure: {forget}"),
    ("Host key verification failed", "The host key of {name} is not known.",
     "Connect once by hand, compare the fingerprint, and accept it: {ssh}"),
    ("Too many authentication failures", "{name} refused your keys before the right one was tried.",
     "Name the right one in ~/.ssh/config: `IdentityFile`, with `IdentitiesOnly yes`."),
    ("Permission denied", "{name} does not accept your key.",
     "Try `{ssh}`. Set `user` in the inventory, or load the key with ssh-add."),
    ("Could not resolve hostname", "{address} does not resolve.",
     "Check `address` (or `domain`) in the inventory, and your network."),
    ("Connection refused", "{address} refuses SSH connections.",
     "Check `port` in the inventory, and that sshd runs there."),
    ("timed out", "{address} does not answer.", "Check the address, and that its firewall lets SSH through."),
    ("No route to host", "{address} cannot be reached.", "Check the address and your network."),
    ("Network is unreachable", "{address} cannot be reached.", "Check your network."),
    ("kex_exchange_identification", "{address} ends SSH connections before they begin.",
     "It may be overloaded or blocking your address (fail2ban, MaxStartups), or it is not an SSH server."),
    ("Unable to negotiate", "{address} and your ssh share no encryption algorithm.", "Update the older of the two."),
    ("password is required", "{name} needs a password for sudo, and there is no terminal to ask on.",
     "Run in a terminal, or let this user use sudo without a password."),
    ("interactive authentication is required", "{name} needs a password for sudo, and there is no terminal to ask on.",
     "Run in a terminal, or let this user use sudo without a password."),
    ("incorrect password attempt", "sudo on {name} rejected the password.", "Run the command again."),
    ("incorrect authentication attempt", "sudo on {name} rejected the password.", "Run the command again."),
    ("you must have a tty to run sudo", "sudo on {name} requires a terminal.",
     "Remove `requiretty` from /etc/sudoers on the host, or set `user: root`."),
    ("not in the sudoers", "{name} may not use sudo.", "Log in as root, or add the user to the group sudo."),
    ("sudo: not found", "{name} has no sudo.", "Set `user: root`, or install sudo there."),
    ("sudo: command not found", "{name} has no sudo.", "Set `user: root`, or install sudo there."),
    ("'sudo': No such file", "{name} has no sudo.", "Set `user: root`, or install sudo there."),
    ("'python3': No such file", "{address} has no Python.", "`greffier setup` installs it."),
    ("python3: not found", "{address} has no Python.", "`greffier setup` installs it."),
    ("python3: command not found", "{address} has no Python.", "`greffier setup` installs it."),
    ("invalid literal for int", "Something on {name} reads the input of Greffier's agent.",
     "Look for `read` or `cat` in .bashrc and .profile there: they may run in interactive shells only."),
    ("No user exists for uid", "ssh does not run for a user without an entry in this machine's /etc/passwd.",
     "In a container: add an entry for the user to /etc/passwd, or run as a user who has one."),
)  # fmt: skip
