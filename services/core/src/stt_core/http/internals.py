"""What is used of starlette and uvicorn that they do not promise to keep.

It is used here and nowhere else, pyproject.toml bounds their versions, and tests/test_internals.py says what
an update has broken.
"""

from types import FrameType
from typing import ClassVar

import uvicorn
from starlette.formparsers import MultiPartException, MultiPartParser, MultipartPart
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["FormParser", "MultiPartException", "MultipartPart", "UvicornServer", "WebSocketProtocol"]


class FormParser(MultiPartParser):
    """Starlette's parser, which tells of each part while it is read. What a hook raises ends the parsing."""

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Those that were read whole so far."""
        return [(name, value) for name, value in self.items if isinstance(value, str)]

    def part_begins(self, part: MultipartPart) -> None:
        """The headers of a part were read; its `content_disposition` may still be changed."""

    def part_grows(self, part: MultipartPart, size: int) -> None:
        """So many bytes more of a part come; they are not in it yet. A file's part has `file`."""

    def form_ends(self) -> None:
        """The closing boundary was read."""

    def on_headers_finished(self) -> None:
        self.part_begins(self._current_part)
        super().on_headers_finished()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.part_grows(self._current_part, end - start)
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self.form_ends()
        super().on_end()


class UvicornServer(uvicorn.Server):
    """uvicorn's server, whose end is its owner's to decide."""

    def asked_to_stop(self) -> None:
        """A signal came that ends a process. Called by its handler."""

    def tick(self) -> None:
        """Called ten times a second, while it runs."""

    @property
    def stopping(self) -> bool:
        """It takes no connections any more."""
        return bool(self.should_exit)

    def stop_within(self, seconds: int) -> None:
        """Take no more connections, and end when those that are open are done, or after so long."""
        self.config.timeout_graceful_shutdown = seconds
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.asked_to_stop()

    async def on_tick(self, counter: int) -> bool:
        self.tick()
        return await super().on_tick(counter)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but when the server stops, it does not close an open websocket: its application receives a
    disconnect with this code and reason, and may still send before it closes."""

    code: ClassVar[int]
    reason: ClassVar[str]

    def shutdown(self) -> None:
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": self.code, "reason": self.reason})
