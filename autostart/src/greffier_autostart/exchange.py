"""One request and its answer, from head to last byte."""

from __future__ import annotations

import time

from . import answers
from .answers import Answer
from .downstream import Downstream
from .drivers import End
from .framing import BadMessage, Body
from .heads import IDEMPOTENT, MAX_HEAD, RequestHead
from .response import Response
from .service import Service
from .states import REMOVED, Outcome, Refusal, State
from .upstream import Pool, Upstream
from .websocket import GONE, POLICY, RESTART, Frames, farewell

REPLAY_LIMIT = 64 * 1024
"""A request with a body of at most so many bytes is kept until its answer begins, to be sent once more where
that does no harm: see `Exchange`."""

HOLD_BUFFER = 256 * 1024
"""Bytes of a body that are taken in while the service wakes; then the client is not read any more."""

BROKE_OFF = "closed the connection before its answer was complete"

HANDSHAKE_SECONDS = 60.0
"""A service that has not answered a request for a websocket by then does not mean to, and whoever asked may
be gone without a word."""

SILENT_SECONDS = 600.0
"""After so long without a byte either way a service is given up that takes no more of a body, or does not
answer a client that may be gone."""


class Exchange:
    """Holds the request until its service is ready, then passes bytes both ways and follows their framing.

    Nothing is done twice: a request goes to the service once more only if its method is idempotent (RFC 9110,
    section 9.2.2), or if the service had ended before it was sent. So only an idempotent one goes over a kept
    connection, which may have ended just then.
    """

    __slots__ = (
        "_again",
        "_answered",
        "_counted",
        "_frames",
        "_goodbye",
        "_moved",
        "_moved_at",
        "_pool",
        "_quiet",
        "_reused",
        "_sent",
        "_sent_at",
        "_sent_size",
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

    def __init__(self, client: Downstream, service: Service, head: RequestHead) -> None:
        self.client = client
        self.service = service
        self.head = head
        self.request: Body = head.body()
        self.response = Response(head)
        self.over = False
        self._pool: Pool | None = None
        self._upstream: Upstream | None = None
        self._unsent = [head.raw]  # what could not be sent to the service yet
        self._unsent_size = 0
        self._sent: list[bytes] | None = None  # while it may have to be repeated
        self._sent_size = 0
        self._sent_at = 0.0  # since 1970
        self._reused = False  # it went over a kept connection
        self._again = False  # the service had ended
        self._answered = False  # the client has received a byte of the answer
        self._counted = False  # the machine counts this exchange as in flight
        self._quiet = False
        self._frames: Frames | None = None  # of a websocket
        self._goodbye = b""
        self._moved = True  # a byte has passed since the last sweep
        self._moved_at = 0.0

    def begin(self) -> None:
        """Ask the service for admission: forwards, holds or answers."""
        machine, policy = self.service.machine, self.service.entry.policy
        path = self.head.path
        self._quiet = path in policy.quiet_paths
        if self._quiet:
            if machine.state is not State.READY:
                self._reply(answers.quiet(machine, path, policy, self.service.openapi()))
                return
            machine.enter_quiet(self)
            self.admit()
            return
        page = machine.state is not State.READY and self.head.is_navigation
        outcome = machine.enter(self, hold=policy.blocking and not page)
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
        upstream = pool.take() if self._repeatable() else None
        if upstream is None:
            pool.connect(self._connected)
        else:
            self._attach(upstream)

    def refuse(self, refusal: Refusal) -> None:
        if not self.over:
            self._reply(answers.refusal(refusal))

    def redirect(self) -> None:
        successor = self.service.successor
        assert successor is not None  # set before anybody is redirected
        self.service = successor
        self.begin()

    def expel(self, refusal: Refusal) -> None:
        if self._frames is None:
            self._stop(answers.refusal(refusal))
        else:  # a service may say goodbye to its websockets when it is stopped; if not, this is said for it
            self._goodbye = farewell(GONE if refusal.code == REMOVED else RESTART, refusal.message)
            self._release()

    def dismiss(self, user: str) -> bool:
        """End it if it is a websocket of this user, or is to become one. Whether it was."""
        if self.over or not self.head.upgrade or self.head.user != user:
            return False
        self._goodbye = farewell(POLICY, "this key is no longer valid")
        self._stop(answers.unauthorized())
        return True

    # From the client

    @property
    def tunnel(self) -> bool:
        return self.response.tunnel

    @property
    def early(self) -> bool:
        """The answer is complete though the request is not."""
        return self.response.done and not self.request.done

    def _stop(self, answer: Answer) -> None:
        """End in the middle: by an answer, or what has begun by breaking off."""
        if not self._answered:
            self._reply(answer)
        elif self.tunnel:
            self._close_tunnel()
        else:
            early = self.early
            self._end()
            if early:
                self.client.linger()
            else:
                self.client.cut(reset=self.response.open_ended)

    def _close_tunnel(self) -> None:
        frames = self._frames
        self._end()
        if frames is not None and frames.between and not frames.closed:
            self.client.send(self._goodbye)
        self.client.linger()  # closed at once, with something unread, the client would lose what it was told

    def request_data(self, data: bytes) -> int:
        """Bytes that follow the head. How many of them are the body's. Raises BadMessage."""
        taken = self.request.consume(data)
        piece = data if taken == len(data) else data[:taken]
        self._moved = True
        if self._upstream is not None:
            self._write(piece)
        elif not self.response.done:
            self._unsent.append(piece)
            self._unsent_size += taken
            if self._unsent_size > HOLD_BUFFER:
                self.client.pause_reading()
        return taken

    def tunnel_data(self, data: bytes) -> None:
        self._moved = True
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
            self.client.cut(reset=self.response.open_ended)
        else:
            self._reply(answers.error(error.status, "bad_request", error.message), complete=False)

    def client_eof(self) -> bool:
        """The client sends no more. Passed on, so that the service learns if it hung up. False: all over."""
        if not self.request.done or (self.head.upgrade and not self._answered and not self.client.early):
            self._end()  # who has asked for a websocket and says nothing is gone
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

    def sweep(self, now: float, *, unheard: bool) -> None:
        """Give up what has stood still for too long. `unheard`: the client is not read, so it may be gone."""
        if self._moved or self._upstream is None:  # one that is held has its own limit
            self._moved, self._moved_at = False, now
            return
        still = now - self._moved_at
        name = self.service.entry.name
        if self.head.upgrade and not self._answered:
            if still > HANDSHAKE_SECONDS:
                self._reply(answers.timeout(name, "did not answer the handshake", HANDSHAKE_SECONDS))
        elif still > SILENT_SECONDS and (self.client.eof or unheard):
            if self._answered:
                self._end()
                self.client.cut(reset=self.response.open_ended)
            else:
                self._reply(answers.timeout(name, "accepted and did not answer", SILENT_SECONDS))

    # upstream.Owner

    def upstream_data(self, data: bytes) -> None:
        self._sent = None
        self._moved = True
        response = self.response
        if self._frames is not None:
            self._frames.follow(data)
            self.client.send(data)
            return
        if not self._answered and self.client.closing:
            response.close = True
        try:
            out = response.feed(data)
        except BadMessage as error:
            self._broken(error.message)
            return
        if out:
            self._answered = True
            self.client.send(out)
        if response.tunnel:
            self._become_tunnel()
        elif response.done and self.request.done and not self.over:
            self._finish()

    def upstream_lost(self, *, orderly: bool) -> None:
        self._upstream = None
        if self.over:
            return
        if self.tunnel:
            self._close_tunnel()
        elif self.response.done or (orderly and self.response.eof()):
            self._end()
            if self.request.done:
                self.client.finished(keep_alive=False)
            else:
                self.client.linger()
        elif self._answered or self._pool is None:
            self._broken(BROKE_OFF)
        elif self._reused and self._sent is not None:
            self._take_back()
            self._pool.connect(self._connected)
        else:
            self._pool.fate(self._on_fate)

    def upstream_full(self) -> None:
        self.client.pause_reading()

    def upstream_drained(self) -> None:
        self._moved = True
        self.client.resume_reading()

    # Inside

    def _repeatable(self) -> bool:
        head = self.head
        return head.method in IDEMPOTENT and not head.chunked and (head.length or 0) <= REPLAY_LIMIT

    def _connected(self, upstream: Upstream | None) -> None:
        if self.over:
            if upstream is not None and self._pool is not None:
                self._pool.give(upstream)
        elif upstream is not None:
            self._attach(upstream)
        elif self._pool is not None and self._pool.end is not None and not self._again:
            self._begin_again()
        else:
            self._broken("does not accept connections")

    def _on_fate(self, end: End | None) -> None:
        if self.over:
            return
        if end is None:
            self._broken(BROKE_OFF)
        elif not self._again and self._sent is not None and (self._repeatable() or end.at < self._sent_at):
            self._take_back()
            self._begin_again()
        else:
            self._broken(f"ended before its answer was complete: {end.cause.told}")

    def _take_back(self) -> None:
        """What was sent is to be sent once more."""
        sent, self._sent = self._sent or [], None
        self._unsent = sent + self._unsent

    def _begin_again(self) -> None:
        """The service has ended: ask for admission anew, which starts it, or what has taken its place."""
        self._again = True
        self._release()
        self.service = self.service.successor or self.service
        self.begin()

    def _attach(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._reused = upstream.reused
        upstream.owner = self
        self.client.resume_reading()
        unsent, self._unsent = self._unsent, []
        self._unsent_size = 0
        self._sent, self._sent_size = [], 0
        self._sent_at = time.time()
        self._moved = True
        self._write(unsent[0] if len(unsent) == 1 else b"".join(unsent))
        self._pass_eof()

    def _pass_eof(self) -> None:
        # What was sent after a request to upgrade goes before it, once the service has agreed.
        if self.client.eof and self._upstream is not None and (self._answered or not self.head.upgrade):
            self._upstream.write_eof()

    def _write(self, data: bytes) -> None:
        if self._sent is not None:
            self._sent.append(data)
            self._sent_size += len(data)
            if self._sent_size > REPLAY_LIMIT + MAX_HEAD:
                self._sent = None
        if self._upstream is not None:
            self._upstream.write(data)

    def _become_tunnel(self) -> None:
        self._frames = Frames()
        self._frames.follow(self.response.beyond)
        early = self.client.early_bytes()
        if early:
            self.tunnel_data(early)
        self._pass_eof()

    def _finish(self) -> None:
        """Both messages are complete."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None and self._pool is not None:
            if self.response.keep_alive:
                self._pool.give(upstream)
            else:
                upstream.abort()
        self._end()
        self.client.finished(keep_alive=not self.response.close)

    def _broken(self, message: str) -> None:
        """The service failed this request. `message` continues a sentence that begins with its name."""
        if self._answered:
            self._end()
            self.client.cut(reset=self.response.open_ended)
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
        self.service.machine.leave(self)
