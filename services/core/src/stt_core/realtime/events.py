"""What is said on the wire: the client's events, checked, and the server's, as OpenAI types them."""

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stt_core.engine.protocol import Logprob
from stt_core.errors import ApiError, BadRequest
from stt_core.realtime.codecs import Encoding

LOGPROBS = "item.input_audio_transcription.logprobs"
TEXT_LENGTH = 64 * 1024
"""Characters of a prompt; Whisper reads at most some 220 tokens."""
LIST_LENGTH = 200

Event = dict[str, Any]


class _Strict(BaseModel):
    """A name that is misspelt must not pass for one that was left out."""

    model_config = ConfigDict(extra="forbid")


class Format(_Strict):
    type: Encoding
    rate: int | None = None


class Transcription(_Strict):
    """delay is for a model that writes while somebody speaks; here each part comes as early as it can."""

    model: str | None = Field(None, max_length=200)
    language: str | None = Field(None, max_length=100)
    languages: list[Annotated[str, Field(max_length=100)]] | None = Field(None, max_length=LIST_LENGTH)
    prompt: str | None = Field(None, max_length=TEXT_LENGTH)
    keywords: list[Annotated[str, Field(max_length=200)]] | None = Field(None, max_length=LIST_LENGTH)
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class TurnDetection(_Strict):
    """The last three are for sessions that answer; in this one they change nothing."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float | None = Field(None, ge=0, le=1)
    prefix_padding_ms: int | None = Field(None, ge=0, le=5_000)
    silence_duration_ms: int | None = Field(None, ge=0, le=10_000)
    create_response: bool | None = None
    interrupt_response: bool | None = None
    idle_timeout_ms: int | None = None


class NoiseReduction(_Strict):
    """Taken, and not done: Whisper hears noise for itself."""

    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class Input(_Strict):
    format: Format | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None
    noise_reduction: NoiseReduction | None = None


class Audio(_Strict):
    input: Input = Input()


class Change(_Strict):
    """What a session.update sets; a field that it does not name stays as it is."""

    type: Literal["transcription"]
    audio: Audio = Audio()
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


class Update(_Strict):
    type: Literal["session.update"]
    event_id: str | None = None
    session: Change


class Append(_Strict):
    type: Literal["input_audio_buffer.append"]
    event_id: str | None = None
    audio: str


class Commit(_Strict):
    type: Literal["input_audio_buffer.commit"]
    event_id: str | None = None


class Clear(_Strict):
    type: Literal["input_audio_buffer.clear"]
    event_id: str | None = None


ClientEvent = Update | Append | Commit | Clear
TAKEN: dict[str, TypeAdapter[ClientEvent]] = {
    "session.update": TypeAdapter(Update),
    "input_audio_buffer.append": TypeAdapter(Append),
    "input_audio_buffer.commit": TypeAdapter(Commit),
    "input_audio_buffer.clear": TypeAdapter(Clear),
}


class WrongEvent(Exception):
    """The error to tell, and the client's own id of the event."""

    def __init__(self, error: ApiError, event_id: str | None) -> None:
        super().__init__(error.message)
        self.error = error
        self.event_id = event_id


def parsed(text: str) -> ClientEvent:
    """An event of the client's. Raises WrongEvent with a sentence that names what is wrong."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise WrongEvent(BadRequest("An event is a JSON object with a type.", code="invalid_json"), None)
    given = event.get("event_id")
    event_id = given[:200] if isinstance(given, str) else None
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in TAKEN:
        raise WrongEvent(
            BadRequest(
                f"A transcription session accepts {', '.join(TAKEN)}, not {str(kind)[:100]!r}.",
                param="type",
                code="invalid_value",
            ),
            event_id,
        )
    try:
        return TAKEN[kind].validate_python(event)
    except ValidationError as error:
        raise WrongEvent(_wrong(error), event_id) from None


_CODES = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}


def _wrong(error: ValidationError) -> BadRequest:
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"])
    code = _CODES.get(first["type"], "invalid_value")
    if code == "missing_required_parameter":
        message = f"{param} is missing."
    elif code == "unknown_parameter":
        message = f"There is no {param} in a transcription session; leave it out."
    elif param == "session.type":
        message = "This service transcribes and does not answer: set session.type to transcription."
    else:
        message = f"{param}: {first['msg']} (given: {str(first['input'])[:80]!r})."
    return BadRequest(message, param=param, code=code)


# The server's events


def written(event: Event) -> str:
    """The event as it is sent, with an id of its own; in ASCII, for what it repeats may be no UTF-8."""
    return json.dumps({"event_id": f"event_{uuid.uuid4().hex[:24]}", **event})


def failure(error: ApiError, event_id: str | None = None) -> Event:
    return {
        "type": "error",
        "error": {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "event_id": event_id,
        },
    }


def speech_started(item: str, milliseconds: int) -> Event:
    return {"type": "input_audio_buffer.speech_started", "audio_start_ms": milliseconds, "item_id": item}


def speech_stopped(item: str, milliseconds: int) -> Event:
    return {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": milliseconds, "item_id": item}


def committed(item: str, previous: str | None) -> list[Event]:
    """The three events of audio that has become an item."""
    body = {
        "id": item,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    return [
        {"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous},
        {"type": "conversation.item.added", "item": body, "previous_item_id": previous},
        {"type": "conversation.item.done", "item": body, "previous_item_id": previous},
    ]


def cleared() -> Event:
    return {"type": "input_audio_buffer.cleared"}


def delta(item: str, text: str, logprobs: Sequence[Logprob] | None) -> Event:
    return _transcription("delta", item) | {"delta": text} | _likely(logprobs)


def completed(item: str, text: str, seconds: float, logprobs: Sequence[Logprob] | None) -> Event:
    usage = {"type": "duration", "seconds": round(seconds, 3)}
    return _transcription("completed", item) | {"transcript": text, "usage": usage} | _likely(logprobs)


def failed(item: str, error: ApiError) -> Event:
    reason = {"type": error.type, "code": error.code, "message": error.message, "param": error.param}
    return _transcription("failed", item) | {"error": reason}


def _transcription(what: str, item: str) -> Event:
    kind = f"conversation.item.input_audio_transcription.{what}"
    return {"type": kind, "item_id": item, "content_index": 0}


def _likely(logprobs: Sequence[Logprob] | None) -> Event:
    """Nothing where none were asked for."""
    if logprobs is None:
        return {}
    return {
        "logprobs": [
            {"token": one.raw.decode(errors="replace"), "bytes": list(one.raw), "logprob": one.logprob}
            for one in logprobs
        ]
    }
