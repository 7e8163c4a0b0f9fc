"""Where an HTTP/1.1 message begins and ends. Pure: bytes in, decisions out.

Heads are parsed by httptools (llhttp in its strict mode), which refuses what request smuggling lives on: both
Content-Length and Transfer-Encoding, repeated lengths, folded lines, bare line feeds, spaces before a colon.
A body is only counted, never changed: every byte goes on as it came.
"""

from __future__ import annotations

from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

MAX_HEAD = 32 * 1024
"""Bytes a head may have: nginx's own default of four buffers of 8 KiB."""

MAX_CHUNK_LINE = 4096
"""Bytes of a chunk's size line with its extensions."""

MAX_TRAILER = 16 * 1024
"""Bytes of all trailer lines of a chunked body."""


class BadMessage(Exception):
    """The peer sent what is not HTTP/1.1. `status` is what a client is told."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Body(Protocol):
    """Follows one body. `done` turns true with its last byte."""

    done: bool

    def consume(self, data: bytes) -> int:
        """How many leading bytes of `data` belong to the body. Raises BadMessage."""
        ...


class LengthBody:
    """A body of a known number of bytes (0 for none)."""

    __slots__ = ("done", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0

    def consume(self, data: bytes) -> int:
        size = len(data)
        if size < self.remaining:
            self.remaining -= size
            return size
        taken = self.remaining
        self.remaining = 0
        self.done = True
        return taken


class OpenBody:
    """A body that ends when its sender closes the connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def consume(self, data: bytes) -> int:
        return len(data)


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1), strict about every CRLF and hexadecimal digit.

    httptools does not say at which byte a message ended, and a proxy that lets requests follow one another on
    a connection has to know.
    """

    __slots__ = ("_data_left", "_in_trailer", "_line", "_trailer_size", "done")

    def __init__(self) -> None:
        self.done = False
        self._data_left = 0  # bytes of this chunk still to come, its closing CRLF included
        self._line = bytearray()  # a size or trailer line that is not complete yet
        self._in_trailer = False
        self._trailer_size = 0

    def consume(self, data: bytes) -> int:
        at, size = 0, len(data)
        while at < size and not self.done:
            at = self._skip_data(data, at) if self._data_left else self._take_line(data, at)
        return at

    def _skip_data(self, data: bytes, at: int) -> int:
        step = min(self._data_left, len(data) - at)
        before, self._data_left = self._data_left, self._data_left - step
        # The last two bytes of what is left are the CRLF; either may fall into this piece.
        if before >= 2 > self._data_left and data[at + before - 2] != 0x0D:
            raise BadMessage("a chunk of the body is longer than its size line says")
        if self._data_left == 0 and data[at + step - 1] != 0x0A:
            raise BadMessage("a chunk of the body is longer than its size line says")
        return at + step

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._line += data[at:stop]
        limit = MAX_TRAILER if self._in_trailer else MAX_CHUNK_LINE
        if len(self._line) + self._trailer_size > limit:
            raise BadMessage("a chunk's size line or trailer of the body is too long")
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
                raise BadMessage("a line of the chunked body does not end in CRLF")
            self._line_done(line[:-2])
        return stop

    def _line_done(self, line: bytes) -> None:
        if self._in_trailer:
            self._trailer_size += len(line) + 2
            self.done = not line
            return
        digits = line.split(b";", 1)[0]
        if not 1 <= len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise BadMessage("a chunk's size in the body is not a hexadecimal number")
        length = int(digits, 16)
        if length:
            self._data_left = length + 2
        else:
            self._in_trailer = True


class _Head:
    """What both heads collect from httptools' callbacks."""

    __slots__ = ("chunked", "connection", "length", "upgrade")

    def __init__(self) -> None:
        self.length: int | None = None
        self.chunked = False
        self.connection = b""
        self.upgrade = False

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            self.length = int(value)
        elif size == 17 and name.lower() == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise BadMessage("the only transfer encoding understood is chunked", 501)
            self.chunked = True
        elif size == 10 and name.lower() == b"connection":
            self.connection = (self.connection + b"," + value).lower()

    def keeps_alive(self, version: str) -> bool:
        """Whether the sender wants the connection kept, by its version and Connection header."""
        tokens = [token.strip() for token in self.connection.split(b",")] if self.connection else []
        return b"close" not in tokens and (version == "1.1" or b"keep-alive" in tokens)


class RequestHead(_Head):
    """The head of one request, as far as a relay must know it.

    `host` is lower case without port and closing dot; `path` is the target without its query.
    """

    __slots__ = ("accept", "fetch_mode", "host", "hosts", "keep_alive", "method", "target", "version")

    def __init__(self) -> None:
        super().__init__()
        self.method = b""
        self.target = b""
        self.version = "1.1"
        self.host = ""
        self.hosts = 0
        self.accept = b""
        self.fetch_mode = b""
        self.keep_alive = True

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        if size == 4 and name.lower() == b"host":
            self.hosts += 1
            self.host = host_name(value)
        elif size == 6 and name.lower() == b"accept":
            self.accept = value
        elif size == 14 and name.lower() == b"sec-fetch-mode":
            self.fetch_mode = value
        else:
            super().on_header(name, value)

    @property
    def path(self) -> str:
        return self.target.split(b"?", 1)[0].decode("latin-1")

    @property
    def is_navigation(self) -> bool:
        """A person's browser opens a page, rather than a program calling an API."""
        return (
            self.method == b"GET"
            and b"text/html" in self.accept
            and self.fetch_mode in (b"", b"navigate")
            and not self.upgrade
        )

    def body(self) -> Body:
        return ChunkedBody() if self.chunked else LengthBody(self.length or 0)


def host_name(value: bytes) -> str:
    """The name in a Host header: lower case, without port and closing dot."""
    name = value.decode("latin-1").strip().lower()
    head, colon, port = name.rpartition(":")
    if colon and (not port or port.isdigit()):
        name = head
    return name.removesuffix(".")


def parse_request(raw: bytes) -> RequestHead:
    """The head in `raw`, which ends with its empty line. Raises BadMessage."""
    head = RequestHead()
    parser = HttpRequestParser(head)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        head.upgrade = True
    except BadMessage:
        raise
    except HttpParserError as error:
        if isinstance(error.__context__, BadMessage):
            raise error.__context__ from None
        raise BadMessage(f"this is not a valid HTTP/1.1 request: {error}") from None
    head.method = parser.get_method()
    head.version = parser.get_http_version()
    if head.version not in ("1.1", "1.0"):
        raise BadMessage("only HTTP/1.0 and HTTP/1.1 are spoken here", 505)
    if head.hosts != 1 or not head.host:
        raise BadMessage("a request needs exactly one Host header")
    if head.method == b"CONNECT" or not (head.target.startswith(b"/") or head.target == b"*"):
        raise BadMessage("the request's target must be a path")
    if head.chunked and (head.version == "1.0" or head.length is not None):
        raise BadMessage("a chunked body needs HTTP/1.1 and no Content-Length")
    head.keep_alive = head.keeps_alive(head.version)
    return head


class Response:
    """Follows one answer of an upstream: interim heads (1xx), the head, the body.

    `feed` hands back what may go on to the client: nothing while a head is incomplete, so that a client never
    sees half a head, and otherwise the bytes as they came.
    """

    __slots__ = ("_body", "_head_only", "_pending", "_upgrade", "done", "keep_alive", "status", "tunnel")

    def __init__(self, request: RequestHead) -> None:
        self._head_only = request.method == b"HEAD"
        self._upgrade = request.upgrade
        self._pending = b""
        self._body: Body | None = None
        self.status = 0
        self.keep_alive = False
        self.done = False
        self.tunnel = False

    def feed(self, data: bytes) -> bytes:
        """The bytes to forward. Bytes after the end are dropped and forbid another use of the connection.

        Raises BadMessage.
        """
        if self.tunnel:
            return data
        if self._body is not None:
            taken = self._body.consume(data)
            self.done = self._body.done
        else:
            if self._pending:
                data = self._pending + data
                self._pending = b""
            taken = self._follow_heads(data)
        if taken == len(data):
            return data
        if self.done:
            self.keep_alive = False
        return data[:taken]

    def eof(self) -> bool:
        """The upstream closed. Whether the answer is complete with that."""
        if isinstance(self._body, OpenBody):
            self.done = True
        return self.done

    def _follow_heads(self, data: bytes) -> int:
        """How many bytes may go on; what is left of an incomplete head is kept for the next call."""
        at = 0
        while True:
            end = data.find(b"\r\n\r\n", at)
            if end < 0:
                if len(data) - at > MAX_HEAD:
                    raise BadMessage("the head of the service's answer is too large", 502)
                self._pending = data[at:]
                return at
            end += 4
            head = self._parse(data[at:end])
            at = end
            if self.status == 101:
                if not self._upgrade:
                    raise BadMessage("the service switched protocols without being asked", 502)
                self.tunnel = True
                return len(data)
            if self.status < 200:
                continue
            self._body = body = self._choose_body(head)
            if not body.done:
                at += body.consume(data[at:] if at else data)
            self.done = body.done
            return at

    def _parse(self, raw: bytes) -> _Head:
        head = _Head()
        parser = HttpResponseParser(head)
        try:
            parser.feed_data(raw)
        except HttpParserUpgrade:
            pass
        except (HttpParserError, BadMessage) as error:
            raise BadMessage(f"the service's answer is not valid HTTP/1.1: {error}", 502) from None
        self.status = parser.get_status_code()
        self.keep_alive = head.keeps_alive(parser.get_http_version())
        return head

    def _choose_body(self, head: _Head) -> Body:
        if self._head_only or self.status in (204, 304):
            return LengthBody(0)
        if head.chunked:
            return ChunkedBody()
        if head.length is not None:
            return LengthBody(head.length)
        self.keep_alive = False
        return OpenBody()
