"""One request and its answer, from head to last byte."""

from __future__ import annotations

from typing import Protocol

from . import answers
from .answers import Answer
from .framing import BadMessage, Body, RequestHead, Response
from .machine import Outcome, Refusal, State
from .service import Service
from .upstream import Pool, Upstream

REPLAY_LIMIT = 64 * 1024
"""A body of at most so many bytes may go over a kept connection, since it can be sent once more if the
service has just closed that one. Larger ones get a fresh one, which costs them nothing noticeable."""

HOLD_BUFFER = 256 * 1024
"""Bytes of a body that are taken in while the service wakes; then the client is not read any more."""


class Downstream(Protocol):
    """The client's connection, as far as an exchange uses it."""

    eof: bool

    def send(self, data: bytes) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def reply(self, answer: Answer, request: RequestHead, *, complete: bool) -> None:
        """Answer locally; the exchange is over. `complete`: the request's body has been read to its end."""
        ...

    def finished(self, *, keep_alive: bool) -> None:
        """The exchange is over, its answer is sent and its request read."""
        ...

    def linger(self) -> None:
        """The exchange is over, its answer is sent, and the rest of its request is of no use."""
        ...

    def cut(self) -> None:
        """The exchange is over in the middle of its answer: close, so that the client notices."""
        ...

    def early_bytes(self) -> bytes:
        """What the client sent after the request, for a connection that has just been upgraded."""
        ...


class Exchange:
    """Holds the request until its service is ready, then passes bytes both ways and follows their framing."""

    __slots__ = (
        "_answered",
        "_counted",
        "_pool",
        "_quiet",
        "_retried",
        "_sent",
        "_unsent",
        "_unsent_size",
        "_upstream",
        "client",
        "head",
        "over",
        "request",
        "response",
        "service",
    )

    def __init__(self, client: Downstream, service: Service, head: RequestHead, raw: bytes) -> None:
        self.client = client
        self.service = service
        self.head = head
        self.request: Body = head.body()
        self.response = Response(head)
        self.over = False
        self._pool: Pool | None = None
        self._upstream: Upstream | None = None
        self._unsent = [raw]  # what could not be sent to the service yet
        self._unsent_size = 0
        self._sent: list[bytes] | None = None  # over a kept connection, while it may have to be repeated
        self._retried = False
        self._answered = False  # the client has received a byte of the answer
        self._counted = False  # the machine counts this exchange as in flight
        self._quiet = False

    def begin(self) -> None:
        """Ask the service for admission: forwards, holds or answers."""
        machine, entry = self.service.machine, self.service.entry
        path = self.head.path
        if path in entry.quiet_paths:
            if machine.state is not State.READY:
                self._reply(answers.quiet(machine, path, entry, self.service.openapi()))
                return
            self._quiet = True
            machine.enter_quiet()
            self.admit()
            return
        page = machine.state is not State.READY and self.head.is_navigation
        outcome = machine.enter(self, hold=entry.blocking and not page)
        if outcome is Outcome.ADMITTED:
            self.admit()
        elif isinstance(outcome, Refusal):
            self._reply(answers.navigation(machine, outcome) if page else answers.refusal(outcome))

    # machine.Waiter

    def admit(self) -> None:
        self._counted = True
        if self.over:  # the client left at this very moment
            self._release()
            return
        self._pool = pool = self.service.pool
        replayable = not self.head.chunked and (self.head.length or 0) <= REPLAY_LIMIT
        upstream = pool.take() if replayable else None
        if upstream is None:
            pool.connect(self._connected)
        else:
            self._sent = []
            self._attach(upstream)

    def refuse(self, refusal: Refusal) -> None:
        if not self.over:
            self._reply(answers.refusal(refusal))

    def redirect(self) -> None:
        successor = self.service.successor
        assert successor is not None  # set before anybody is redirected
        self.service = successor
        self.begin()

    # From the client

    @property
    def tunnel(self) -> bool:
        return self.response.tunnel

    @property
    def early(self) -> bool:
        """The answer is complete though the request is not."""
        return self.response.done and not self.request.done

    def request_data(self, data: bytes) -> int:
        """Bytes that follow the head. How many of them are the body's. Raises BadMessage."""
        taken = self.request.consume(data)
        piece = data if taken == len(data) else data[:taken]
        if self._upstream is not None:
            self._write(piece)
        elif not self.response.done:
            self._unsent.append(piece)
            self._unsent_size += taken
            if self._unsent_size > HOLD_BUFFER:
                self.client.pause_reading()
        return taken

    def tunnel_data(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.write(data)

    def request_complete(self) -> None:
        """To be called when the request's last byte was taken in: ends one that was answered early."""
        if self.response.done and not self.over:
            self._finish()

    def bad_request(self, error: BadMessage) -> None:
        """The body is malformed."""
        if self._answered:
            self._end()
            self.client.cut()
        else:
            self._reply(answers.error(error.status, "bad_request", error.message), complete=False)

    def client_eof(self) -> bool:
        """The client sends no more. Passed on, so that the service learns if it hung up. False: all over."""
        if not self.tunnel and not self.request.done:
            self._end()
            return False
        self._pass_eof()
        return True

    def client_lost(self) -> None:
        self._end()

    def client_full(self) -> None:
        if self._upstream is not None:
            self._upstream.pause_reading()

    def client_drained(self) -> None:
        if self._upstream is not None:
            self._upstream.resume_reading()

    # upstream.Owner

    def upstream_data(self, data: bytes) -> None:
        self._sent = None
        if self.response.tunnel:
            self.client.send(data)
            return
        try:
            out = self.response.feed(data)
        except BadMessage as error:
            self._broken(error.message)
            return
        if out:
            self._answered = True
            self.client.send(out)
        if self.response.tunnel:
            early = self.client.early_bytes()
            if early:
                self.tunnel_data(early)
            self._pass_eof()
        elif self.response.done and self.request.done and not self.over:
            self._finish()

    def upstream_lost(self) -> None:
        self._upstream = None
        if self.over:
            return
        if self.tunnel:
            self._end()
            self.client.finished(keep_alive=False)
        elif self.response.eof():
            self._end()
            if self.request.done:
                self.client.finished(keep_alive=False)
            else:
                self.client.linger()
        elif self._sent is not None and not self._retried and self._pool is not None:
            self._retried = True
            self._unsent, self._sent = self._sent, None
            self._pool.connect(self._connected)
        else:
            self._broken("closed the connection before its answer was complete")

    def upstream_full(self) -> None:
        self.client.pause_reading()

    def upstream_drained(self) -> None:
        self.client.resume_reading()

    # Inside

    def _connected(self, upstream: Upstream | None) -> None:
        if self.over:
            if upstream is not None and self._pool is not None:
                self._pool.give(upstream)
        elif upstream is None:
            self._broken("does not accept connections")
        else:
            self._attach(upstream)

    def _attach(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.owner = self
        self.client.resume_reading()
        unsent, self._unsent = self._unsent, []
        self._unsent_size = 0
        self._write(unsent[0] if len(unsent) == 1 else b"".join(unsent))
        self._pass_eof()

    def _pass_eof(self) -> None:
        # What was sent after a request to upgrade goes before it, once the service has agreed.
        if self.client.eof and self._upstream is not None and (self.tunnel or not self.head.upgrade):
            self._upstream.write_eof()

    def _write(self, data: bytes) -> None:
        if self._sent is not None:
            self._sent.append(data)
        if self._upstream is not None:
            self._upstream.write(data)

    def _finish(self) -> None:
        """Both messages are complete."""
        keep_alive = self.head.keep_alive and self.response.keep_alive
        upstream, self._upstream = self._upstream, None
        if upstream is not None and self._pool is not None:
            if keep_alive:
                self._pool.give(upstream)
            else:
                upstream.abort()
        self._end()
        self.client.finished(keep_alive=keep_alive)

    def _broken(self, message: str) -> None:
        """The service failed this request. `message` continues a sentence that begins with its name."""
        if self._answered:
            self._end()
            self.client.cut()
        else:
            self._reply(answers.bad_gateway(self.service.entry.name, message))

    def _reply(self, answer: Answer, *, complete: bool | None = None) -> None:
        self._end()
        self.client.reply(answer, self.head, complete=self.request.done if complete is None else complete)

    def _end(self) -> None:
        """Let go of everything; the client is told by the caller."""
        if self.over:
            return
        self.over = True
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()
        self._unsent = []
        self._sent = None
        if self._counted:
            self._release()
        else:
            self.service.machine.cancel(self)

    def _release(self) -> None:
        self._counted = False
        self.service.machine.leave(quiet=self._quiet)
