"""The way to a host: the system's OpenSSH, and what it says when it fails."""

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from deploy import host as programs
from deploy.connection import Connection, Lost
from deploy.errors import HOST, KitError
from deploy.host import files
from deploy.logged import last_line, sentence
from deploy.types import Secret

SSH_FAILED = 255
"""ssh's own status; any other is that of the command."""


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
        configured = self._configured("user")
        return configured if configured and configured != files.user(os.getuid()) else "root"

    def hostname(self) -> str:
        """The address as other programs know it: what ~/.ssh/config says of the name."""
        return self._configured("hostname") or self.address

    def _configured(self, key: str) -> str:
        command = (_program(), "-G", "--", self.address)
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
        found = [
            line.partition(" ")[2] for line in said.decode(errors="replace").splitlines() if line.startswith(f"{key} ")
        ]
        return found[0] if found else ""

    def plain(self, words: Sequence[str]) -> None:
        """Run a command without an agent, which needs Python. Raises KitError."""
        user = self._user()
        sudo = () if user == "root" else ("sudo", "-n", "--")
        command = self.command((*sudo, *words))
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        name, said = f"{user}@{self.address}", done.stdout.decode(errors="replace").strip()
        if done.returncode == SSH_FAILED or (done.returncode and "sudo:" in said):
            raise explain(Lost(f"The connection to {name} ended", said=said), name)
        if done.returncode:
            raise KitError(sentence(f"`{words[0]}` failed on {name}", last_line(said)), output=said, code=HOST)

    def start(self) -> Connection:
        """Begin to connect to an agent on the host, as root."""
        user = self._user()
        sudo = () if user == "root" else ("sudo", "-n", "--")
        return Connection(self.command((*sudo, *programs.COMMAND)), f"{user}@{self.address}")

    def greet(self, begun: Connection) -> Connection:
        """Wait for the agent; a password that sudo wants is asked for. Raises KitError with a sentence for what went
        wrong."""
        try:
            return _greeted(begun)
        except Lost as error:
            if "password is required" in error.said and sys.stdin.isatty():
                secret = Secret(getpass.getpass(f"sudo password of {begun.name}: "))
                words = ("sudo", "-S", "-p", "", "--", *programs.COMMAND)
                return _greeted(Connection(self.command(words), begun.name, password=secret))
            raise explain(error, begun.name) from None


def _program() -> str:
    found = shutil.which("ssh")
    if not found:
        raise KitError("This machine has no ssh program.", "Install OpenSSH's client: apt-get install openssh-client")
    return found


def _greeted(connection: Connection) -> Connection:
    try:
        _ = connection.facts  # the first thing it says
    except Lost:
        connection.close()
        raise
    return connection


_SENTENCES = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "The host key of {name} is not the one you know.",
     "Somebody may be listening in, or the host was installed anew. If you are sure: ssh-keygen -R {address}"),
    ("Host key verification failed", "The host key of {name} is not known.",
     "Connect once by hand, compare the fingerprint, and accept it: ssh {name}"),
    ("Too many authentication failures", "{name} refused your keys before it came to the right one.",
     "Name that one in ~/.ssh/config: `IdentityFile`, with `IdentitiesOnly yes`."),
    ("Permission denied", "{name} does not accept your key.",
     "Try `ssh {name}`; `user` in the inventory names the user, ssh-add loads a key."),
    ("Could not resolve hostname", "There is no address for {address}.",
     "Check `address` (or `domain`) in the inventory, and your network."),
    ("Connection refused", "{address} refuses SSH connections.",
     "Check `port` in the inventory, and that sshd runs there."),
    ("timed out", "{address} does not answer.", "Check the address, and that its firewall lets SSH through."),
    ("No route to host", "{address} cannot be reached.", "Check the address and your network."),
    ("Network is unreachable", "{address} cannot be reached.", "Check your network."),
    ("kex_exchange_identification", "{address} ends SSH connections before they begin.",
     "It may be overloaded or ban your address (fail2ban, MaxStartups), or what answers there is not SSH."),
    ("Unable to negotiate", "{address} and your ssh have no way to encrypt in common.", "Update the older of the two."),
    ("password is required", "{name} needs a password for sudo, and there is no terminal to ask on.",
     "Run in a terminal, or let this user use sudo without a password."),
    ("not in the sudoers", "{name} may not use sudo.", "Log in as root, or add the user to the group sudo."),
    ("sudo: not found", "{name} has no sudo.", "Set `user: root`, or install sudo there."),
    ("sudo: command not found", "{name} has no sudo.", "Set `user: root`, or install sudo there."),
    ("python3: not found", "{address} has no Python.", "`setup` installs it."),
    ("python3: command not found", "{address} has no Python.", "`setup` installs it."),
)  # fmt: skip


def explain(error: Lost, name: str) -> KitError:
    """What ssh said, as a sentence with a hint."""
    address = name.rpartition("@")[2]
    for sign, message, hint in _SENTENCES:
        if sign in error.said:
            return KitError(*(text.format(name=name, address=address) for text in (message, hint)), code=HOST)
    return error
