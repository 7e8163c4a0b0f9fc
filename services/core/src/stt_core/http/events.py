"""A transcript as server-sent events, while it is being made. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel

from stt_core import errors
from stt_core.engine.protocol import Transcript, WindowResult
from stt_core.errors import ApiError
from stt_core.output import formats
from stt_core.output.formats import DiarizedSegmentBody, LanguageBody, LogprobBody
from stt_core.scheduling.transcription import Stage

DONE = b"data: [DONE]\n\n"
STILL_HERE = b": still here\n\n"
"""A comment, which every client passes over: proxies give up on connections that are silent for long."""


def reached(stage: Stage) -> bytes:
    """How far the work is that follows the text. OpenAI's API has no event for it, so it is a comment."""
    return _comment(stage.shown)


def warned(warning: str) -> bytes:
    """What was asked for and could not be done."""
    return _comment(f"warning: {warning}")


def _comment(text: str) -> bytes:
    return f": {' '.join(text.split())}\n\n".encode()


class TextDelta(BaseModel):
    """More text; all deltas joined are the text of the last event."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str
    logprobs: list[LogprobBody] | None = None


class TextDone(BaseModel):
    """The whole text."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    languages: list[LanguageBody]
    logprobs: list[LogprobBody] | None = None


class Growing:
    """The text as far as it has been told. White space waits until something follows it."""

    def __init__(self) -> None:
        self.sent = ""
        self._held = ""

    def more(self, text: str) -> str:
        """What is new to the reader once `text` is heard."""
        found = self._held + text
        found = found if self.sent else found.lstrip()
        new = found.rstrip()
        self._held = found[len(new) :]
        self.sent += new
        return new


class Telling:
    """The events of one transcript. `with_logprobs`, `diarized`: what was asked for."""

    def __init__(self, *, with_logprobs: bool, diarized: bool) -> None:
        self._logprobs = with_logprobs
        self._diarized = diarized
        self._text = Growing()

    def heard(self, result: WindowResult) -> Iterator[bytes]:
        """The next window."""
        first = not self._text.sent
        if new := self._text.more("".join(segment.text for segment in result.segments)):
            found = formats.logprobs(result.segments, first=first) if self._logprobs else None
            yield encoded(TextDelta(delta=new, logprobs=found))

    def finished(self, transcript: Transcript) -> Iterator[bytes]:
        """All is heard; only now an engine knows who spoke."""
        yield from map(warned, transcript.warnings)
        if self._diarized:
            yield from map(encoded, formats.diarized_segments(transcript))
        found = formats.logprobs(transcript.segments) if self._logprobs else None
        yield encoded(TextDone(text=transcript.text, languages=formats.spoken(transcript), logprobs=found))
        yield DONE


def encoded(event: TextDelta | TextDone | DiarizedSegmentBody) -> bytes:
    return _event(event.model_dump(exclude_none=True))


def failed(error: ApiError) -> bytes:
    """The last event of a stream that breaks off; OpenAI's clients raise it."""
    return b"event: error\n" + _event(errors.body(error))


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
