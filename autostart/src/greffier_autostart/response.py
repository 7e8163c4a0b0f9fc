"""An answer on its way through: where it begins, what of it goes on, and where it ends. Pure."""

from __future__ import annotations

from .framing import BadMessage, Body, ChunkedBody, LengthBody, OpenBody
from .heads import MAX_HEAD, WEBSOCKET, RequestHead, ResponseHead, parse_response


class Response:
    """Follows one answer of an upstream: interim heads (1xx), the head, the body.

    `feed` hands back what may go on to the client: nothing while a head is incomplete, so that a client never
    sees half a head. Of interim answers only a 100 goes on, to those who asked for it: nginx takes any other
    for the answer itself.
    """

    __slots__ = (
        "_body",
        "_pending",
        "_request",
        "beyond",
        "close",
        "done",
        "keep_alive",
        "open_ended",
        "status",
        "tunnel",
    )

    def __init__(self, request: RequestHead) -> None:
        self._request = request
        self._pending = b""
        self._body: Body | None = None
        self.status = 0
        self.close = not request.reusable
        """The client is told that nothing follows; to be set before the head has come."""
        self.keep_alive = False
        """The service will take another request on its connection."""
        self.open_ended = False
        """The body ends with the service's connection, and so does the client's."""
        self.done = False
        self.tunnel = False
        self.beyond = b""
        """What of a tunnel came with the head that began it."""

    def feed(self, data: bytes) -> bytes:
        """The bytes to forward. Bytes after the end are dropped and forbid another use of the connection.

        Raises BadMessage.
        """
        if self.tunnel:
            return data
        if self._body is not None:
            return self._take(self._body, data)
        if self._pending:
            data = self._pending + data
            self._pending = b""
        return self._follow_heads(data)

    def eof(self) -> bool:
        """The upstream closed in an orderly way. Whether the answer is complete with that."""
        if self.open_ended:
            self.done = True
        return self.done

    def _take(self, body: Body, data: bytes) -> bytes:
        taken = body.consume(data)
        self.done = body.done
        if taken == len(data):
            return data
        self.keep_alive = False
        return data[:taken]

    def _follow_heads(self, data: bytes) -> bytes:
        """What of the heads and what follows goes on; an incomplete head is kept for the next call."""
        out = b""
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MAX_HEAD:
                    raise BadMessage("the headers of the service's answer are too large", 502)
                self._pending = data
                return out
            raw, rest = data[: end + 4], data[end + 4 :]
            head = parse_response(raw)
            self.status = head.status
            if head.status == 101:
                return out + self._switch(head, raw, rest)
            if head.status >= 200:
                break
            if head.status == 100 and self._request.expects and self._request.version == "1.1":
                out += raw
            data = rest
        self._body = body = self._choose_body(head)
        self.keep_alive = head.keep_alive and not self.open_ended
        sent = head.forwarded(raw, close=self.close)
        rest = self._take(body, rest)
        whole = sent is raw and not out and len(raw) + len(rest) == len(data)
        return data if whole else out + sent + rest

    def _switch(self, head: ResponseHead, raw: bytes, rest: bytes) -> bytes:
        if not self._request.upgrade or head.protocol != WEBSOCKET:
            raise BadMessage("the service switched protocols without being asked", 502)
        self.tunnel = True
        self.beyond = rest
        return head.forwarded(raw, close=False) + rest

    def _choose_body(self, head: ResponseHead) -> Body:
        if self._request.method == b"HEAD" or head.status in (204, 304):
            return LengthBody(0)
        if head.chunked:
            if self._request.version == "1.0":
                raise BadMessage("the service's answer is chunked, which the client does not understand", 502)
            return ChunkedBody()
        if head.length is not None:
            return LengthBody(head.length)
        self.open_ended = self.close = True
        return OpenBody()
