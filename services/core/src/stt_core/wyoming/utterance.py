"""What one client says, from its first chunk to its last."""

import tempfile
import wave
from types import TracebackType
from typing import BinaryIO, cast

from stt_core.audio import AudioFile
from stt_core.errors import BadRequest
from stt_core.wyoming.events import Format

SECONDS = 300
"""Of one utterance."""
SPOOL_BYTES = 4 * 1024 * 1024
"""Kept in memory: two minutes as Home Assistant sends it. What is longer goes to a temporary file."""


class Utterance:
    """Raw audio on its way to be a wav file, which every rate, width and number of channels can be."""

    def __init__(self, form: Format, limit: int) -> None:
        """limit: bytes."""
        self._form = form
        self._room = min(limit, SECONDS * form.bytes_per_second)
        self._length = 0
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115
        self._writer = wave.Wave_write(self._file)
        self._writer.setframerate(form.rate)
        self._writer.setsampwidth(form.width)
        self._writer.setnchannels(form.channels)
        self._given = False

    def __enter__(self) -> "Utterance":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        if not self._given:
            self._file.close()

    @property
    def empty(self) -> bool:
        return self._length == 0

    def add(self, audio: bytes) -> None:
        """Raises BadRequest."""
        self._length += len(audio)
        if self._length > self._room:
            seconds = self._room // self._form.bytes_per_second
            raise BadRequest(f"An utterance has at most {seconds} s here.", code="utterance_too_long")
        self._writer.writeframesraw(audio)

    def source(self) -> AudioFile:
        """The whole of it, once; whoever gets it closes it."""
        self._writer.close()
        self._given = True
        return AudioFile(self._file)
