"""Where a deploy acts: one host, over one connection, and the keeper of its long-running programs."""

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

from deploy import host as programs
from deploy.errors import LOCKED, KitError
from deploy.host.files import user
from deploy.transport import asking
from deploy.transport.asking import Asking, FileState
from deploy.transport.connection import Connection, Lost, Refusal
from deploy.types import Layout

T = TypeVar("T")


@dataclass(frozen=True)
class Writing:
    """A file to write."""

    path: str
    content: bytes
    mode: int
    owner: str
    group: str


class Supervisor(Protocol):
    """Keeps nginx and autostart running: systemd on a host, child processes on a laptop."""

    def running(self, unit: str) -> bool: ...
    def start(self, unit: str) -> None:
        """Start it, anew where it runs, and wait until it serves. Raises KitError with what it said."""

    def reload(self, unit: str) -> None: ...
    def stop(self, unit: str) -> None: ...
    def check(self) -> None:
        """Raise KitError with nginx's words where it refuses its configuration."""

    def nginx(self) -> Asking[tuple[tuple[int, ...], str]]:
        """(version such as (1, 26, 3), group of its workers); empty where there is no nginx, or it does not say."""

    def standing(self, units: Sequence[str]) -> Asking[dict[str, str]]:
        """Of each unit that runs, what it was started from: so new code shows as a restart."""


class Way(Protocol):
    """How an agent is reached: begun at once, waited for when something is to be asked."""

    def start(self) -> Connection: ...
    def greet(self, begun: Connection) -> Connection: ...


class Target:
    """One host. Paths are absolute, commands are tuples and never pass a shell."""

    def __init__(self, name: str, layout: Layout, way: Way, supervise: Callable[["Target"], Supervisor]) -> None:
        self.name = name
        self.layout = layout
        self._way = way
        self._supervise = supervise
        self._begun: Connection | None = None
        self.owed = False
        """Something was begun there that only a whole deploy ends."""

    def approach(self) -> None:
        """Begin to connect. What comes of it shows when the connection is first used."""
        self._begun = self._begun or self._way.start()

    @cached_property
    def connection(self) -> Connection:
        self.approach()
        assert self._begun
        try:
            self._begun = self._way.greet(self._begun)
        except KitError:
            self._begun = None  # who asks again tries again
            raise
        return self._begun

    @cached_property
    def supervisor(self) -> Supervisor:
        return self._supervise(self)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the agent says of the host: system, version, Python, memory in bytes, user, time."""
        return self.connection.facts

    def close(self) -> None:
        if self._begun:
            self._begun.close()
            self._begun = None
            self.__dict__.pop("connection", None)

    def abort(self) -> None:
        """End the connection at once, whatever is under way: the agent ends the step and gives the lock back."""
        if self._begun:
            self._begun.abort()

    def answer(self, asked: Asking[T]) -> T:
        """Carry out what is asked, one round trip for all that can be asked at once. Raises KitError."""
        try:
            questions = next(asked)
            while True:
                questions = asked.send(self.connection.answers(questions) if questions else ())
        except StopIteration as end:
            found: T = end.value
            return found

    def states(self, paths: Sequence[str], texts: Sequence[str] = (), salt: str = "") -> dict[str, FileState]:
        """State of each path that is there, in one round trip."""
        return self.answer(asking.states(paths, texts, salt))

    def existing(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths that are there, files or folders."""
        return self.answer(asking.existing(paths))

    def read(self, path: str) -> bytes | None:
        return self.answer(asking.read(path))

    def write_all(self, files: Sequence[Writing]) -> None:
        """Write each file atomically: the old one or the new one, never a part."""
        entries = [
            {"path": f.path, "size": len(f.content), "mode": f.mode, "owner": f.owner, "group": f.group} for f in files
        ]
        self.connection.ask("write", b"".join(f.content for f in files), files=entries)

    def write(self, path: str, content: bytes, mode: int, owner: str, group: str) -> None:
        self.write_all([Writing(path, content, mode, owner, group)])

    def folders(self, paths: Sequence[str]) -> None:
        self.connection.ask("folders", folders=[{"path": path} for path in paths])

    def remove(self, *paths: str, below: str = "") -> None:
        """Remove files, and folders with all that is in them; and the folders below `below` that this leaves empty."""
        self.connection.ask("remove", paths=list(paths), below=below)

    def afterwards(self, name: str, command: Sequence[str]) -> None:
        """Have the host run a command if this connection is lost; an empty one takes that back."""
        self.connection.ask("afterwards", name=name, command=list(command))

    def run(self, command: Sequence[str], *, content: str = "", check: bool = True, whole: bool = False) -> str:
        """Standard output of a command. Raises KitError with everything it printed when it fails. With `whole` it
        may finish where the connection is lost."""
        printed: list[tuple[int, bytes]] = []
        status = 0
        for stream, line in self.connection.stream(command, content.encode(), whole=whole):
            if stream:
                printed.append((stream, line))
            else:
                status = int(line)
        if check and status:
            said = b"".join(line for _, line in printed).decode(errors="replace")
            raise KitError(f"`{command[0]}` failed with status {status}.", output=said)
        return b"".join(line for stream, line in printed if stream == 1).decode(errors="replace")

    def lines(self, command: Sequence[str], *, content: str = "", **about: Any) -> Iterator[str]:
        """Lines of a command's standard output, as they come. A failing status raises KitError at the end."""
        errors = []
        for stream, line in self.connection.lines(command, content.encode(), **about):
            if stream == 1:
                yield line
            elif stream == 2:
                errors.append(line)
            elif line != "0":
                what = about.get("program") or command[0]
                raise KitError(f"`{what}` failed with status {line}.", output="\n".join(errors))

    def program(self, name: str, content: str, python: str = "") -> Iterator[str]:
        """Lines of one of the kit's own host programs."""
        return self.lines((), content=content, program=name, python=python)

    def look(self, name: str, request: object = None) -> dict[str, Any]:
        """The document that one of the kit's own host programs prints. Raises KitError."""
        return self.answer(asking.look(name, request))

    @contextmanager
    def lock(self, why: str) -> Iterator[None]:
        """Hold the host's lock. Raises KitError (status 5) that names the holder."""
        who = {"by": operator(), "process": os.getpid(), "why": why}
        try:
            self.connection.ask("lock", path=f"{self.layout.var}/.lock", who=who)
        except Refusal as refusal:
            if "holder" not in refusal.head:
                raise
            raise KitError(
                f"{self.name} is locked by {describe(refusal.head['holder'])}.",
                "Wait until it ends, or stop it with `greffier lock release`.",
                code=LOCKED,
            ) from None
        try:
            yield
        except KeyboardInterrupt:
            self.abort()
            raise
        finally:
            with contextlib.suppress(Lost):  # the agent gives it back when the connection ends
                self.connection.ask("unlock")

    def fetch(self, port: int, name: str, path: str, seconds: float, *, tls: bool = False) -> tuple[int, str]:
        """(status, text) of a GET to a server of the host by one of its names. Raises KitError."""
        head, content = self.connection.ask("fetch", port=port, name=name, path=path, seconds=seconds, tls=tls)
        return head["status"], content.decode(errors="replace")

    def holder(self) -> str:
        """Who holds the lock; empty where nobody does."""
        head = self.connection.ask("holder", path=f"{self.layout.var}/.lock")[0]
        return "" if head["holder"] is None else describe(head["holder"])

    def release_lock(self) -> bool:
        """End the agent that holds the lock, and with it the command it runs. Returns whether there was one."""
        head = self.connection.ask("holder", path=f"{self.layout.var}/.lock")[0]
        if head["holder"] is None or "pid" not in head["holder"]:
            return False
        self.run(("kill", "-TERM", str(head["holder"]["pid"])))
        return True


def operator() -> str:
    """Who gives the commands, and where."""
    return f"{user(os.getuid())}@{socket.gethostname()}"


def describe(holder: Mapping[str, Any]) -> str:
    """The lock's holder, in words."""
    if "by" not in holder:
        return "another Greffier command"
    return f"{holder['by']} (process {holder['process']}, `{holder['why']}`) for {int(holder['age'])} s"


@dataclass(frozen=True)
class _Child:
    """An agent in a child process."""

    name: str

    def start(self) -> Connection:
        return Connection((sys.executable, *programs.COMMAND[1:]), self.name)

    def greet(self, begun: Connection) -> Connection:
        return begun


def local_target(name: str, layout: Layout, supervisor: Supervisor) -> Target:
    """This machine."""
    return Target(name, layout, _Child(name), lambda _: supervisor)
