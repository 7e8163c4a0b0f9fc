"""Connections to a service, kept alive between requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Protocol, cast

from .drivers import End
from .half import half_close

KEEP_IDLE_SECONDS = 4.0
"""An unused connection is closed before the service does it (uvicorn keeps one for 5 s)."""

MAX_IDLE = 128
"""Unused connections kept for one service."""

CONNECT_SECONDS = 10.0
"""A connection on the loopback takes longer only if the service does not accept any more."""

REFUSED_SECONDS = 0.02
"""One that is refused is tried again after so long: the service listened a moment ago, so it is just dying,
and that it has ended is told soon."""

FATE_SECONDS = 1.0
"""Within so long of a connection's loss it is known whether the whole service has ended."""

WRITE_BUFFER = 256 * 1024
"""Bytes written but not sent from which the other side is not read any more."""

READ_SIZE = 64 * 1024
MAX_REST = 8 * 1024 * 1024
"""More than a socket's receive buffer holds (6 MiB by default)."""


class Owner(Protocol):
    """Who uses a connection at the moment."""

    def upstream_data(self, data: bytes) -> None: ...

    def upstream_lost(self, *, orderly: bool) -> None:
        """`orderly`: the service closed it, rather than that it broke off."""
        ...

    def upstream_full(self) -> None: ...

    def upstream_drained(self) -> None: ...


class Upstream(asyncio.Protocol):
    """One connection. It serves one owner at a time, and none while it lies in the pool."""

    __slots__ = ("_broken", "_eof_sent", "_pool", "idle_since", "owner", "reading", "reused", "transport")

    transport: asyncio.Transport

    def __init__(self, pool: Pool, owner: Owner | None) -> None:
        self._pool = pool
        self._eof_sent = False
        self._broken = False
        self.owner = owner
        self.reading = True
        self.reused = False
        self.idle_since = 0.0

    @property
    def reusable(self) -> bool:
        return not self._eof_sent and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def write_eof(self) -> None:
        if not self._eof_sent and not self.transport.is_closing():
            self._eof_sent = True
            half_close(self.transport)

    def pause_reading(self) -> None:
        if self.reading and not self.transport.is_closing():
            self.reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.reading and not self.transport.is_closing():
            self.reading = True
            self.transport.resume_reading()

    def abort(self) -> None:
        """Close at once and tell nobody."""
        self.owner = None
        self.transport.abort()

    def break_off(self) -> None:
        """Close at once; the owner is told."""
        self._broken = True
        self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.owner is None:
            self.transport.abort()  # an answer to no question
        else:
            self.owner.upstream_data(data)

    def pause_writing(self) -> None:
        if self.owner is not None:
            self.owner.upstream_full()

    def resume_writing(self) -> None:
        if self.owner is not None:
            self.owner.upstream_drained()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self.owner is not None:
            self._read_rest()
        self._pool.closed(self)
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.upstream_lost(orderly=error is None and not self._broken)

    def _read_rest(self) -> None:
        """Take what the service said before it closed.

        One that refuses an upload answers and closes at once. Our next write then fails, and the event loop
        gives the connection up with that answer still unread.
        """
        descriptor = self.transport.get_extra_info("socket").fileno()
        if descriptor < 0:
            return
        with socket.socket(fileno=os.dup(descriptor)) as rest, contextlib.suppress(OSError):
            for _ in range(MAX_REST // READ_SIZE):
                data = rest.recv(READ_SIZE, socket.MSG_DONTWAIT)
                if not data or self.owner is None:
                    return
                self.owner.upstream_data(data)


class Pool:
    """The connections to one run of a service.

    The newest unused one is taken first, so that the others can grow old.
    """

    def __init__(self, host: str, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.host = host
        self.port = port
        self._loop = loop
        self._usable = True
        self._open: set[Upstream] = set()
        self._idle: list[Upstream] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._asking: list[asyncio.Future[End | None]] = []
        self.end: End | None = None
        """How the service ended, once it has, by itself."""

    def take(self) -> Upstream | None:
        """An unused connection, or None."""
        oldest = self._loop.time() - KEEP_IDLE_SECONDS
        while self._idle:
            upstream = self._idle.pop()
            if upstream.idle_since > oldest and not upstream.transport.is_closing():
                upstream.reused = True
                return upstream
            upstream.abort()
        return None

    def give(self, upstream: Upstream) -> None:
        """Take back a connection on which nothing is in flight, to be used again."""
        upstream.owner = None
        upstream.resume_reading()  # so that the service's closing it is noticed
        if self._usable and upstream.reusable and len(self._idle) < MAX_IDLE:
            upstream.idle_since = self._loop.time()
            self._idle.append(upstream)
        else:
            upstream.abort()

    def connect(self, done: Callable[[Upstream | None], None]) -> None:
        """Open a new connection and call `done` with it, or with None if the service cannot be reached."""
        self._begin(done, self.port, None)

    def call(self, owner: Owner, port: int, done: Callable[[Upstream | None], None]) -> None:
        """The same to another port of the service, for an owner who may be spoken to even before `done`.

        Such a connection is never given back.
        """
        self._begin(done, port, owner)

    def fate(self, done: Callable[[End | None], None]) -> None:
        """A connection was lost: call `done` with how the whole service ended, or with None if it has not."""
        asked: asyncio.Future[End | None] = self._loop.create_future()
        asked.add_done_callback(lambda known: done(known.result()))
        if self.end is not None or not self._usable:
            asked.set_result(self.end)
            return
        self._asking.append(asked)
        self._loop.call_later(FATE_SECONDS, self._tell, asked)

    def _tell(self, asked: asyncio.Future[End | None]) -> None:
        if not asked.done():
            self._asking.remove(asked)
            asked.set_result(self.end)

    def _begin(self, done: Callable[[Upstream | None], None], port: int, owner: Owner | None) -> None:
        task = self._loop.create_task(self._connect(done, port, owner))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, done: Callable[[Upstream | None], None], port: int, owner: Owner | None) -> None:
        upstream: Upstream | None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                while (upstream := await self._try(port, owner)) is None and self._usable:
                    await asyncio.sleep(REFUSED_SECONDS)
        except (OSError, TimeoutError):
            upstream = None
        if upstream is not None and not self._usable:
            upstream.abort()
            upstream = None
        done(upstream)

    async def _try(self, port: int, owner: Owner | None) -> Upstream | None:
        """A new connection, or None where nobody listens. Docker's proxy listens a little longer than the
        service behind it, and closes at once what it then takes."""
        with contextlib.suppress(ConnectionRefusedError):
            _, made = await self._loop.create_connection(lambda: Upstream(self, owner), self.host, port)
            return None if made.transport.is_closing() else made
        return None

    def sweep(self) -> None:
        """Close what has been unused for too long."""
        oldest = self._loop.time() - KEEP_IDLE_SECONDS
        old = [upstream for upstream in self._idle if upstream.idle_since <= oldest]
        if old:
            self._idle = [upstream for upstream in self._idle if upstream.idle_since > oldest]
            for upstream in old:
                upstream.abort()

    def retire(self, end: End) -> None:
        """The service has ended by itself. What it said last is still read: its connections end with that."""
        self.end = end
        self._usable = False
        for upstream in self._idle:
            upstream.abort()
        self._idle.clear()
        for asked in list(self._asking):
            self._tell(asked)

    def close(self) -> None:
        """Close every connection, for good; owners are told that theirs is lost."""
        self._usable = False
        self._idle.clear()
        for upstream in list(self._open):
            upstream.break_off()

    def opened(self, upstream: Upstream) -> None:
        self._open.add(upstream)

    def closed(self, upstream: Upstream) -> None:
        self._open.discard(upstream)
        if upstream.owner is None and upstream in self._idle:
            self._idle.remove(upstream)
