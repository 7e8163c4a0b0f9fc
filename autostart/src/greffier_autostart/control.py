"""The control socket: one JSON line in, one JSON document out. Only its owner may open it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from .config import ConfigError

MAX_REQUEST_BYTES = 64 * 1024
REQUEST_SECONDS = 10.0
AT_ONCE = frozenset({"status", "release"})
"""Commands that wait for nothing."""
ANSWER_SECONDS = 60.0


class CommandError(Exception):
    """A command could not be carried out; the text says why and what to do."""


Handler = Callable[[str, str | None], Awaitable[dict[str, Any]]]
"""Carries out a command, given a name where it needs one. Raises CommandError or ConfigError."""


class ControlError(Exception):
    """The socket cannot be used; the text says why."""


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A path to the same socket of a few bytes: the kernel takes no more than 107 in an address."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class ControlServer:
    """Listens on a unix socket of mode 0600."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def open(self) -> None:
        """Raises ControlError, also if another autostart answers at this path."""
        try:
            listener = self._bind()
        except OSError as error:
            message = f"the control socket {self._path} cannot be created: {error.strerror}"
            raise ControlError(message) from None
        self._inode = self._path.lstat().st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_REQUEST_BYTES)

    def close(self) -> None:
        """Stop listening; remove the socket if it is still ours."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    def _bind(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short_path(self._path) as short:
                self._remove_stale(short)
                before = os.umask(0o177)  # so that there is no moment at which others may open it
                try:
                    listener.bind(short)
                finally:
                    os.umask(before)
            listener.listen(64)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener

    def _remove_stale(self, short: str) -> None:
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise ControlError(f"{self._path} exists and is not a socket; remove it or choose another path")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(short)
            except ConnectionRefusedError:
                self._path.unlink()
                return
        raise ControlError(f"another autostart answers on {self._path}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            answer = await self._answer(reader)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readline()
            request = json.loads(line)
            command, name = request["command"], request.get("name")
            if not isinstance(command, str) or not (name is None or isinstance(name, str)):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, TimeoutError):
            return _error('a request is one line of JSON: {"command": …, "name": …}')
        try:
            return await self._handler(command, name)
        except (CommandError, ConfigError) as error:
            return _error(str(error))


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


def ask(path: Path, command: str, name: str | None) -> dict[str, Any]:
    """Sends one command and waits for its answer, which has the key `error` if it was not carried out.

    Raises ControlError if nobody answers.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            if command in AT_ONCE:
                connection.settimeout(ANSWER_SECONDS)
            with _short_path(path) as short:
                connection.connect(short)
            connection.sendall(json.dumps({"command": command, "name": name}).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.read())
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise ControlError(f"nothing answers on {path}: autostart is not running") from None
    except PermissionError:
        raise ControlError(f"{path} may be used only by the user who runs autostart") from None
    except TimeoutError:
        raise ControlError(f"autostart is not responding on {path}") from None
    except (OSError, ValueError):
        raise ControlError(f"autostart ended before it answered on {path}") from None
    if not isinstance(answer, dict):
        raise ControlError(f"what answers on {path} is not autostart")
    return answer
