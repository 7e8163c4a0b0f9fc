"""The last stretch of what a session has heard."""

from stt_core.engine.protocol import Span
from stt_core.realtime.codecs import Pcm16


class Tape:
    """Samples at 16 kHz, counted from the start of the session; 16 bit, so that minutes of them are small."""

    def __init__(self) -> None:
        self.start = 0
        self._bytes = bytearray()

    @property
    def end(self) -> int:
        return self.start + len(self._bytes) // 2

    def add(self, samples: Pcm16) -> None:
        self._bytes += samples.tobytes()

    def cut(self, span: Span) -> bytes:
        """16 bit samples; what is forgotten or still to come is left out."""
        first, last = max(span.start, self.start) - self.start, max(span.end, self.start) - self.start
        return bytes(self._bytes[2 * first : 2 * last])

    def forget(self, before: int) -> None:
        if before > self.start:
            before = min(before, self.end)
            del self._bytes[: 2 * (before - self.start)]
            self.start = before
