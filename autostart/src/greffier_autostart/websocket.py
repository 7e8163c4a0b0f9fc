"""Where the frames of a websocket end, to say farewell between two (RFC 6455, section 5). Pure."""

from __future__ import annotations

RESTART, GONE, POLICY = 1012, 1001, 1008
"""Why a connection is closed: the service comes back, or does not, or it is not allowed any more (IANA's
WebSocket close codes)."""

_CLOSE = 0x8
_LONGER = {126: 2, 127: 8}
"""What a length of seven bits stands for where the length itself follows, in so many bytes."""


class Frames:
    """Follows what a service says. `closed`: it has said farewell itself."""

    __slots__ = ("_head", "_left", "closed")

    def __init__(self) -> None:
        self._head = bytearray()  # of a frame, as far as it has come
        self._left = 0  # bytes of a frame's payload still to come
        self.closed = False

    @property
    def between(self) -> bool:
        """No frame is under way."""
        return not self._head and not self._left

    def follow(self, data: bytes) -> None:
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
            else:
                self._head.append(data[at])
                at += 1
                self._begin_if_whole()

    def _begin_if_whole(self) -> None:
        head = self._head
        if len(head) < 2:
            return
        length, masked = head[1] & 0x7F, head[1] & 0x80
        more = _LONGER.get(length, 0)
        if len(head) == 2 + more + (4 if masked else 0):
            self._left = int.from_bytes(head[2 : 2 + more]) if more else length
            self.closed |= head[0] & 0x0F == _CLOSE
            head.clear()


def farewell(code: int, reason: str) -> bytes:
    """A close frame as a server sends it. `reason`: at most 123 bytes."""
    said = code.to_bytes(2) + reason.encode()
    return bytes((0x80 | _CLOSE, len(said))) + said
