"""The heads of HTTP/1.1 messages: what a relay must know of them, and what goes on of them. Pure.

They are parsed by httptools (llhttp in its strict mode), which refuses what request smuggling lives on: both
Content-Length and Transfer-Encoding, repeated lengths, folded lines, bare line feeds, spaces before a colon.
A head goes on as it came, unless it holds what is between two neighbours only (RFC 9110, section 7.6.1), or
its target is not a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from .framing import BadMessage, Body, ChunkedBody, LengthBody

MAX_HEAD = 32 * 1024
"""Bytes a head may have: nginx's own default of four buffers of 8 KiB."""

WEBSOCKET = b"websocket"
"""The only protocol that a connection may go over to: of another one nobody here could tell where it ends."""

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""Doing it twice is as good as once (RFC 9110, section 9.2.2)."""

USER = b"x-greffier-user"
"""In a handshake: whose websocket it is. nginx says it, lets no client say it, and says it to us alone."""

_BETWEEN_NEIGHBOURS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings")
)
_END_TO_END = frozenset((b"host", b"content-length", b"transfer-encoding"))
"""Where a message goes and ends: these stay, though Connection names them."""

_SIZES = frozenset(map(len, (*_BETWEEN_NEIGHBOURS, *_END_TO_END, b"accept", b"sec-fetch-mode", b"expect")))
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?][^#]*)?\Z", re.IGNORECASE)


class Head:
    """What both heads collect from httptools' callbacks. `plain`: it goes on as it came."""

    __slots__ = ("chunked", "connection", "keep_alive", "length", "plain", "protocol")

    def __init__(self) -> None:
        self.length: int | None = None
        self.chunked = False
        self.connection = b""
        self.protocol = b""  # of Upgrade, in lower case
        self.plain = True
        self.keep_alive = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) not in _SIZES:
            return
        name = name.lower()
        if name == b"content-length":
            self.length = int(value)
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise BadMessage("the only supported transfer encoding is chunked", 501)
            self.chunked = True
        elif name in _BETWEEN_NEIGHBOURS:
            self.plain = False
            if name == b"connection":
                self.connection += b"," + value.lower()
            elif name == b"upgrade":
                self.protocol = self.protocol + b"," + value.lower() if self.protocol else value.lower()

    @property
    def options(self) -> frozenset[bytes]:
        """What Connection says."""
        return frozenset(token.strip() for token in self.connection.split(b",")) - {b""}

    def _kept(self, lines: list[bytes]) -> Iterator[bytes]:
        """The fields that are for more than the next one."""
        dropped = (self.options | _BETWEEN_NEIGHBOURS) - _END_TO_END | {USER}
        return (line for line in lines if line.partition(b":")[0].lower() not in dropped)


class RequestHead(Head):
    """The head of one request.

    `host` is lower case without port and closing dot; `target` is a path with its query, or `*`; `path` lacks
    the query. `raw` is what goes on to the service. `upgrade`: it asks for a websocket, for `user`.
    """

    __slots__ = (
        "accept",
        "authority",
        "expects",
        "fetch_mode",
        "hosts",
        "method",
        "raw",
        "target",
        "user",
        "version",
    )

    def __init__(self) -> None:
        super().__init__()
        self.method = b""
        self.target = b""
        self.version = "1.1"
        self.authority = b""
        self.hosts = 0
        self.accept = b""
        self.fetch_mode = b""
        self.expects = False  # 100 Continue
        self.raw = b""
        self.user = ""

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        if size == 4 and name.lower() == b"host":
            self.hosts += 1
            self.authority = value
        elif size == 6 and name.lower() == b"accept":
            self.accept = value
        elif size == 14 and name.lower() == b"sec-fetch-mode":
            self.fetch_mode = value
        elif size == 6 and name.lower() == b"expect":
            self.expects = value.strip().lower() == b"100-continue"
        else:
            super().on_header(name, value)

    @property
    def host(self) -> str:
        return host_name(self.authority)

    @property
    def path(self) -> str:
        return self.target.split(b"?", 1)[0].decode("latin-1")

    @property
    def upgrade(self) -> bool:
        """A handshake for a websocket (RFC 6455, section 4.1). HTTP/1.0 knows none; one with a body would be
        read in two ways."""
        return (
            not self.plain
            and self.protocol == WEBSOCKET
            and b"upgrade" in self.options
            and (self.method, self.version) == (b"GET", "1.1")
            and not self.chunked
            and not self.length
        )

    @property
    def reusable(self) -> bool:
        """The client's connection is good for another request. After a handshake that failed it is not: what
        is said on it may be meant for the websocket that it asked for."""
        return self.keep_alive and not self.upgrade

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

    def check(self) -> None:
        """Raises BadMessage where nobody can be asked this."""
        if self.version not in ("1.1", "1.0"):
            raise BadMessage("only HTTP/1.0 and HTTP/1.1 are supported", 505)
        if self.hosts != 1:
            raise BadMessage("a request needs exactly one Host header")
        if not self.target.startswith(b"/"):
            self._become_path()
        if not self.host:
            raise BadMessage("a request needs exactly one Host header")
        if self.chunked and (self.version == "1.0" or self.length is not None):
            raise BadMessage("a chunked body needs HTTP/1.1 and no Content-Length")

    def _become_path(self) -> None:
        """A target with a host in it overrules the Host header (RFC 9112, section 3.2.2)."""
        if self.target == b"*" and self.method == b"OPTIONS":
            return
        whole = _ABSOLUTE.match(self.target)
        if whole is None or self.method == b"CONNECT":
            raise BadMessage("the request's target must be a path")
        self.authority = whole[1]
        rest = whole[2] or b""
        if not rest and self.method == b"OPTIONS":
            self.target = b"*"
        else:
            self.target = rest if rest.startswith(b"/") else b"/" + rest
        self.plain = False

    def forwarded(self, raw: bytes) -> bytes:
        """`raw` as it goes on."""
        if self.plain:
            return raw
        first, *lines = raw[:-4].split(b"\r\n")
        version = first.rpartition(b" ")[2]
        kept = [b" ".join((self.method, self.target, version)), b"Host: " + self.authority]
        kept += (line for line in self._kept(lines) if line.partition(b":")[0].lower() != b"host")
        if self.upgrade:
            self.user = next((_value(line) for line in lines if line[: len(USER)].lower() == USER), "")
            kept += (b"Connection: Upgrade", b"Upgrade: " + WEBSOCKET)
        return b"\r\n".join(kept) + b"\r\n\r\n"


class ResponseHead(Head):
    """The head of one answer. `keep_alive`: the service keeps the connection."""

    __slots__ = ("status", "version")

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        self.version = "1.1"

    def forwarded(self, raw: bytes, *, close: bool) -> bytes:
        """`raw` as it goes on; `close`: with the word that nothing comes after this answer."""
        if self.plain and not close and self.version == "1.1":
            return raw
        first, *lines = raw[:-4].split(b"\r\n")
        kept = [b"HTTP/1.1" + first[8:], *self._kept(lines)]
        if self.status in (101, 426) and self.protocol:  # the protocol, or what else one would have to speak
            kept += (
                b"Upgrade: " + self.protocol,
                b"Connection: " + (b"close, " if close else b"") + b"Upgrade",
            )
        elif close:
            kept.append(b"Connection: close")
        return b"\r\n".join(kept) + b"\r\n\r\n"


def _value(line: bytes) -> str:
    return line.partition(b":")[2].strip().decode("latin-1")


def host_name(value: bytes) -> str:
    """The name in a Host header: lower case, without port and closing dot."""
    name = value.decode("latin-1").strip().lower()
    head, colon, port = name.rpartition(":")
    if colon and (not port or port.isdigit()):
        name = head
    return name.removesuffix(".")


def parse_request(raw: bytes) -> RequestHead:
    """The head in `raw`, which ends with its empty line. Raises BadMessage."""
    if raw.startswith((b"\r", b"\n")):
        raise BadMessage("a request must begin with its method")
    head = RequestHead()
    parser = HttpRequestParser(head)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # whether it may is decided by `upgrade`
    except BadMessage:
        raise
    except HttpParserError as error:
        if isinstance(error.__context__, BadMessage):
            raise error.__context__ from None
        raise BadMessage(f"this is not a valid HTTP/1.1 request: {error}") from None
    head.method = parser.get_method()
    head.version = parser.get_http_version()
    head.check()
    head.keep_alive = head.version == "1.1" and b"close" not in head.options
    head.raw = head.forwarded(raw)
    return head


def parse_response(raw: bytes) -> ResponseHead:
    """The head in `raw`, which ends with its empty line. Raises BadMessage."""
    head = ResponseHead()
    parser = HttpResponseParser(head)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass
    except (HttpParserError, BadMessage) as error:
        raise BadMessage(f"the service's answer is not valid HTTP/1.1: {error}", 502) from None
    head.status = parser.get_status_code()
    head.version = parser.get_http_version()
    if head.status < 100 or head.version not in ("1.0", "1.1"):
        raise BadMessage("the service's answer is not valid HTTP/1.1: its first line has no status", 502)
    if head.chunked and head.version == "1.0":
        raise BadMessage("the service's answer is chunked, which HTTP/1.0 does not support", 502)
    options = head.options
    head.keep_alive = b"close" not in options and (head.version == "1.1" or b"keep-alive" in options)
    return head
