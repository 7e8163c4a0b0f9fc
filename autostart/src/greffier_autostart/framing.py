"""Where the body of an HTTP/1.1 message ends. Pure: bytes in, decisions out.

A body is only counted, never changed: every byte goes on as it came.
"""

from __future__ import annotations

from typing import Protocol

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
