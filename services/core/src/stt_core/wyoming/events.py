"""What a client may say: events read within bounds, and the fields that are used of them, checked."""

import asyncio
import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from wyoming.event import Event

from stt_core.errors import BadRequest

LINE_BYTES = 64 * 1024
"""An event's first line, and again its data. A chunk of audio has some hundred bytes of both."""
PAYLOAD_BYTES = 1024 * 1024
"""The audio of one chunk: half a minute as Home Assistant sends it, where a tenth of a second is usual."""

Fields = TypeVar("Fields", bound=BaseModel)


class _Fields(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Request(_Fields):
    """`transcribe`: how what follows shall be heard. Names and terms are those that may be spoken."""

    name: str | None = None
    language: str | None = None
    transcript_names: list[str] | None = None
    transcript_terms: list[str] | None = None


class Format(_Fields):
    """Of raw audio: frames a second, bytes of a sample, samples of a frame."""

    rate: int = Field(ge=4_000, le=192_000)
    width: Literal[1, 2, 3, 4]
    channels: int = Field(ge=1, le=8)

    @property
    def bytes_per_second(self) -> int:
        return self.rate * self.width * self.channels


async def read(reader: asyncio.StreamReader) -> Event | None:
    """The next event; None when the client has nothing more to say. Raises BadRequest for what is none.

    The reader's limit is LINE_BYTES.
    """
    try:
        line = await reader.readline()
        if not line:
            return None
        head = _object(line)
        data = head.get("data") or {}
        if not isinstance(data, dict):
            raise ValueError
        if length := _length(head, "data_length", LINE_BYTES):
            data = {**data, **_object(await reader.readexactly(length))}
        payload = await reader.readexactly(_length(head, "payload_length", PAYLOAD_BYTES))
        return Event(str(head["type"]), data, payload)
    except (EOFError, OSError):
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _not_an_event() from None


def fields(kind: type[Fields], event: Event) -> Fields:
    """Those of an event's data that are used. Raises BadRequest naming the first that is wrong."""
    try:
        return kind.model_validate(event.data)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        message = f"{event.type[:100]}: {name}: {first['msg']}."
        raise BadRequest(message, param=name, code="invalid_value") from None


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError
    return value


def _length(head: dict[str, Any], key: str, limit: int) -> int:
    length = head.get(key) or 0
    if not isinstance(length, int) or not 0 <= length <= limit:
        raise BadRequest(f"{key} must be a number of bytes, at most {limit}.", param=key, code="invalid_value")
    return length


def _not_an_event() -> BadRequest:
    return BadRequest(
        f"This is not an event of Wyoming: a line of JSON with its type, of at most {LINE_BYTES} bytes.",
        code="invalid_event",
    )
