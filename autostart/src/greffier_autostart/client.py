"""Connections of clients: one request after the other, each routed by its own Host."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Protocol, cast

from . import answers
from .answers import Answer
from .exchange import Exchange
from .framing import BadMessage
from .half import half_close
from .heads import MAX_HEAD, RequestHead, parse_request
from .service import Service

HEAD_SECONDS = 30.0
"""Within so long a head must be complete."""

IDLE_SECONDS = 75.0
"""A connection without a request is kept so long: nginx's own keepalive_timeout."""

STALL_SECONDS = 75.0
"""A client that owes us bytes, or does not take ours, is given up after so long without any."""

LINGER_SECONDS = 30.0
"""So long the rest of an already answered request is read and thrown away: closing at once would make the
client's system drop the answer unread."""

PIPELINE_BUFFER = 64 * 1024
"""Bytes taken in beyond the current request."""

WRITE_BUFFER = 256 * 1024
"""Bytes written but not sent from which the service is not read any more."""

RESET = struct.pack("ii", 1, 0)
"""What SO_LINGER takes for closing without an orderly end (socket(7))."""


class Router(Protocol):
    """Where a connection learns whose request it has, and is counted."""

    closing: bool

    def find(self, host: str) -> Service | None: ...

    def opened(self, client: Client) -> bool:
        """False: there are too many connections already."""
        ...

    def closed(self, client: Client) -> None: ...


class Client(asyncio.Protocol):
    """One connection; also the `Downstream` of its exchanges."""

    __slots__ = (
        "_blank",
        "_deadline",
        "_full_since",
        "_heard",
        "_lingering",
        "_loop",
        "_pending",
        "_reading",
        "_router",
        "_scanned",
        "_serving",
        "_transport",
        "eof",
        "exchange",
    )

    _transport: asyncio.Transport

    def __init__(self, router: Router, loop: asyncio.AbstractEventLoop) -> None:
        self._router = router
        self._loop = loop
        self.exchange: Exchange | None = None
        self.eof = False
        self._pending = b""  # bytes that belong to no exchange yet
        self._scanned = 0  # of _pending: searched for the end of a head already
        self._blank = False  # the empty line that may stand before a request was there
        self._reading = True
        self._serving = False
        self._lingering = False
        self._full_since: float | None = None
        self._heard = loop.time()
        self._deadline = self._heard + HEAD_SECONDS

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        if not self._router.opened(self):
            self._refuse(answers.error(503, "too_many_connections", "too many connections", retry_after=1))

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        exchange = self.exchange
        if exchange is None:
            if not self._lingering:
                self._take_in(data)
        elif exchange.tunnel:
            exchange.tunnel_data(data)
        elif exchange.request.done:
            self._queue(data)
        else:
            self._body(exchange, data)

    def eof_received(self) -> bool:
        self.eof = True
        if self.exchange is None:
            return False
        return self.exchange.client_eof()

    def pause_writing(self) -> None:
        self._full_since = self._loop.time()
        if self.exchange is not None:
            self.exchange.client_full()

    def resume_writing(self) -> None:
        self._full_since = None
        if self.exchange is not None:
            self.exchange.client_drained()
        elif not self._lingering:
            self._serve()

    def connection_lost(self, error: Exception | None) -> None:
        self._router.closed(self)
        self._lingering = True
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_lost()

    # exchange.Downstream

    @property
    def closing(self) -> bool:
        return self._router.closing or self.eof

    @property
    def early(self) -> bool:
        return bool(self._pending)

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def reply(self, answer: Answer, request: RequestHead, *, complete: bool) -> None:
        keep_alive = complete and request.reusable and not self.closing
        if not self._transport.is_closing():
            self.send(answer.encode(head_only=request.method == b"HEAD", keep_alive=keep_alive))
        if complete:
            self.finished(keep_alive=keep_alive)
        else:
            self.linger()

    def finished(self, *, keep_alive: bool) -> None:
        self.exchange = None
        if not keep_alive or self._router.closing:
            if self._pending:  # closing with bytes unread would make the client's system drop the answer
                self.linger()
            else:
                self._close()
            return
        self.resume_reading()
        self._deadline = self._loop.time() + (HEAD_SECONDS if self._pending else IDLE_SECONDS)
        if self._pending and not self._serving:
            self._serve()
        elif self.eof and not self._pending:
            self._close()

    def linger(self) -> None:
        self.exchange = None
        self._lingering = True
        self._pending = b""
        self._deadline = self._loop.time() + LINGER_SECONDS
        if self.eof:
            self._close()
        elif not self._transport.is_closing():
            half_close(self._transport)
            self.resume_reading()

    def cut(self, *, reset: bool) -> None:
        self.exchange = None
        if reset and not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()
        self._close()

    def early_bytes(self) -> bytes:
        early, self._pending = self._pending, b""
        self.resume_reading()
        return early

    # For the router

    def close_if_idle(self) -> None:
        """Close unless a request is under way."""
        if self.exchange is None and not self._lingering:
            self._close()

    def dismiss(self, user: str) -> bool:
        """Close if it is a websocket of this user. Whether it was."""
        return self.exchange is not None and self.exchange.dismiss(user)

    def abort(self) -> None:
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Give up what has taken too long."""
        if self._full_since is not None and now - self._full_since > STALL_SECONDS:
            self._transport.abort()
            return
        exchange = self.exchange
        if exchange is None:
            if now > self._deadline:
                if self._lingering or not self._pending:
                    self._transport.abort()
                else:
                    message = f"the request's headers did not arrive within {HEAD_SECONDS:g} s"
                    self._refuse(answers.error(408, "timeout", message))
        elif exchange.early and now - self._heard > LINGER_SECONDS:
            self._transport.abort()
        elif not exchange.request.done and self._reading and now - self._heard > STALL_SECONDS:
            message = f"nothing of the request's body arrived for {STALL_SECONDS:g} s"
            exchange.bad_request(BadMessage(message, 408))
        else:
            exchange.sweep(now, unheard=not self._reading)

    # Inside

    def _take_in(self, data: bytes) -> None:
        """What begins a request, or goes on with its head. One empty line before it is passed over (RFC 9112,
        section 2.2), and begins nothing: a connection is not kept for it."""
        begins = not self._pending
        self._pending += data
        self._pass_blank_line()
        if self._pending:
            if begins:
                self._deadline = self._heard + HEAD_SECONDS
            self._serve()

    def _pass_blank_line(self) -> None:
        if not self._blank and self._pending.startswith(b"\r\n"):
            self._blank = True
            self._pending = self._pending[2:]

    def _serve(self) -> None:
        """Take up the requests that are complete enough, one after the other."""
        if self._serving:
            return
        self._serving = True
        try:
            while self._pending and self._may_begin() and self._take_request():
                pass
        finally:
            self._serving = False
        if self.exchange is None and self.eof and not self._lingering:
            self._close()

    def _may_begin(self) -> bool:
        return self.exchange is None and not self._lingering and self._full_since is None

    def _take_request(self) -> bool:
        """Begin the exchange at the front of what came in; false if its head is not complete."""
        self._pass_blank_line()
        data = self._pending
        end = data.find(b"\r\n\r\n", self._scanned)
        if (len(data) if end < 0 else end) > MAX_HEAD:
            message = f"the request's headers are larger than {MAX_HEAD} bytes"
            self._refuse(answers.error(431, "head_too_large", message))
            return False
        if end < 0:
            self._scanned = max(0, len(data) - 3)
            return False
        raw = data[: end + 4]
        self._pending = data[end + 4 :]
        self._scanned = 0
        self._blank = False
        try:
            head = parse_request(raw)
        except BadMessage as error:
            self._refuse(answers.error(error.status, "bad_request", error.message))
            return False
        service = self._router.find(head.host)
        if service is None or head.target == b"*":
            self._reply_alone(head, answers.options() if service else answers.unknown_host(head.host))
            return True
        self.exchange = exchange = Exchange(self, service, head)
        rest = self._pending
        if rest and not exchange.request.done:
            self._pending = b""
            self._body(exchange, rest)
            if self.exchange is not exchange:
                return False
        exchange.begin()
        return True

    def _reply_alone(self, head: RequestHead, answer: Answer) -> None:
        """Answer what is no service's business."""
        body = head.body()
        try:
            taken = body.consume(self._pending)
        except BadMessage as error:
            self._refuse(answers.error(error.status, "bad_request", error.message))
            return
        self._pending = self._pending[taken:]
        self.reply(answer, head, complete=body.done)

    def _body(self, exchange: Exchange, data: bytes) -> None:
        try:
            taken = exchange.request_data(data)
        except BadMessage as error:
            exchange.bad_request(error)
            return
        if taken < len(data):
            self._queue(data[taken:])
        if exchange.request.done:
            exchange.request_complete()

    def _queue(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) > PIPELINE_BUFFER:
            self.pause_reading()

    def _refuse(self, answer: Answer) -> None:
        """Answer what cannot be understood, and close."""
        self.send(answer.encode(head_only=False, keep_alive=False))
        self.linger()

    def _close(self) -> None:
        self._lingering = True
        self._deadline = self._loop.time() + LINGER_SECONDS
        self._transport.close()
