"""Connections for a protocol that autostart does not know: its bytes pass unread, and the first one wakes."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from .entry import Address
from .exchange import HOLD_BUFFER
from .half import half_close
from .service import Service
from .states import Outcome, Refusal
from .upstream import WRITE_BUFFER, Pool, Upstream

FIRST_BYTE_SECONDS = 30.0
"""A connection that says nothing for so long is closed; it has woken nobody."""

SILENT_SECONDS = 600.0
"""One on which nothing passes either way for so long is closed: it keeps the service awake, and whoever had
it may be gone without a word."""

LINGER_SECONDS = 30.0
"""So long a client may take to notice the end."""


class Router(Protocol):
    """Where a connection learns which service its address is of, and is counted."""

    def find(self, listen: Address) -> Service | None: ...

    def opened(self, client: TcpClient) -> bool:
        """False: there are too many connections already."""
        ...

    def closed(self, client: TcpClient) -> None: ...


class TcpClient(asyncio.Protocol):
    """One connection, in flight from its first byte to its end. Also machine.Waiter and upstream.Owner.

    A client that is refused is told nothing, for nobody here speaks its protocol: the connection closes.
    """

    __slots__ = (
        "_again",
        "_asked",
        "_counted",
        "_eof",
        "_heard",
        "_loop",
        "_over",
        "_pool",
        "_reading",
        "_router",
        "_service",
        "_transport",
        "_unsent",
        "_unsent_size",
        "_upstream",
        "listen",
    )

    _transport: asyncio.Transport

    def __init__(self, router: Router, listen: Address, loop: asyncio.AbstractEventLoop) -> None:
        self.listen = listen
        self._router = router
        self._loop = loop
        self._service: Service | None = None
        self._pool: Pool | None = None
        self._upstream: Upstream | None = None
        self._unsent: list[bytes] = []  # what came while the service woke
        self._unsent_size = 0
        self._asked = False  # the service was asked for admission
        self._counted = False  # the machine counts this connection as in flight
        self._again = False  # the service had ended
        self._over = False
        self._eof = False
        self._reading = True
        self._heard = loop.time()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        if not self._router.opened(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._heard = self._loop.time()
        if self._upstream is not None:
            self._upstream.write(data)
        else:
            self._unsent.append(data)
            self._unsent_size += len(data)
            if self._unsent_size > HOLD_BUFFER:
                self._pause_reading()
            if not self._asked:
                self._asked = True
                self._enter(self._router.find(self.listen))

    def eof_received(self) -> bool:
        self._eof = True
        if self._upstream is not None:
            self._upstream.write_eof()
        return self._asked and not self._over

    def pause_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._router.closed(self)
        self._end()

    # machine.Waiter

    def admit(self) -> None:
        assert self._service is not None
        self._counted = True
        if self._over:  # the client left at this very moment
            self._release()
            return
        # Looked up only now: the policy may have changed while the service was on its way.
        port = next((tcp.port for tcp in self._service.entry.policy.tcp if tcp.listen == self.listen), None)
        if port is None:
            self._close()
        else:
            self._pool = self._service.pool
            self._pool.call(self, port, self._connected)

    def refuse(self, refusal: Refusal) -> None:
        self._close()

    def expel(self, refusal: Refusal) -> None:
        self._close()

    def redirect(self) -> None:
        assert self._service is not None and self._service.successor is not None
        self._enter(self._service.successor)

    # upstream.Owner

    def upstream_data(self, data: bytes) -> None:
        if not self._over:
            self._heard = self._loop.time()
            self._transport.write(data)

    def upstream_lost(self, *, orderly: bool) -> None:
        self._upstream = None
        if not self._over:
            self._close()

    def upstream_full(self) -> None:
        self._pause_reading()

    def upstream_drained(self) -> None:
        self._resume_reading()

    # For the supervisor

    def close_if_idle(self) -> None:
        """Close unless something was asked."""
        if not self._asked:
            self._close()

    def dismiss(self, user: str) -> bool:
        return False  # it is nobody's: there is no password

    def abort(self) -> None:
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Give up what has taken too long."""
        patience = LINGER_SECONDS if self._over else SILENT_SECONDS if self._asked else FIRST_BYTE_SECONDS
        if now - self._heard > patience:
            self.abort()

    # Inside

    def _enter(self, service: Service | None) -> None:
        self._service = service
        if self._over:
            return
        outcome = service.machine.enter(self) if service is not None else None
        if outcome is Outcome.ADMITTED:
            self.admit()
        elif outcome is not Outcome.HELD:
            self._close()

    def _connected(self, upstream: Upstream | None) -> None:
        if self._over:
            if upstream is not None:
                upstream.abort()
        elif upstream is not None:
            self._attach(upstream)
        elif self._pool is not None and self._pool.end is not None and not self._again:
            self._again = True  # the service has ended: asked for admission anew, it is started
            self._release()
            self._enter(self._service)
        else:
            self._close()

    def _attach(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._resume_reading()
        upstream.write(b"".join(self._unsent))
        self._unsent.clear()
        if self._eof:
            upstream.write_eof()

    def _pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def _close(self) -> None:
        """The end. What the client still says is read and thrown away: closing at once would make its system
        drop what it was told last."""
        self._end()
        self._heard = self._loop.time()
        if self._eof or not self._asked:
            self._transport.close()
        elif not self._transport.is_closing():
            half_close(self._transport)
            self._resume_reading()

    def _end(self) -> None:
        """Let go of everything but the client."""
        if self._over:
            return
        self._over = True
        self._unsent.clear()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()
        if self._counted:
            self._release()
        elif self._service is not None:
            self._service.machine.cancel(self)

    def _release(self) -> None:
        assert self._service is not None
        self._counted = False
        self._service.machine.leave(self)
