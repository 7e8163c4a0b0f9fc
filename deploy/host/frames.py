"""What the laptop and the agent on a host say to each other: a JSON head, and bytes after it."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

MAX_HEAD = 64 << 20  # bytes
MAX_BODY = 1 << 30
HELLO = b"\0greffier's agent\n"
"""What an agent says first: all before it was said by something else, such as a line of .bashrc."""
_SIZE = struct.Struct(">I")


class Ended(Exception):
    """The other side is gone."""


def send(stream: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    """Write one frame, whole."""
    text = json.dumps(head | ({"body": len(body)} if body else {})).encode()
    stream.write(_SIZE.pack(len(text)) + text + body)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read one frame. Raises Ended at the end of the stream, ValueError for what is no frame."""
    (length,) = _SIZE.unpack(_exactly(stream, _SIZE.size))
    if length > MAX_HEAD:
        raise ValueError("a frame's head is too long")
    head = json.loads(_exactly(stream, length))
    if not isinstance(head, dict):
        raise ValueError("a frame's head is no object")
    size = head.pop("body", 0)
    if not isinstance(size, int) or not 0 <= size <= MAX_BODY:
        raise ValueError("a frame's body is too long")
    return head, _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise Ended
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
