"""The multipart form of POST /v1/audio/transcriptions: read within bounds, and checked."""

from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from stt_core import languages
from stt_core.engine import Capabilities, Options
from stt_core.errors import BadRequest, TooLarge
from stt_core.formats import ResponseFormat

FIELD_BYTES = 64 * 1024
"""A form field; Whisper reads at most some 220 tokens of a prompt."""
FIELDS = 64
FORM_BYTES = 1024 * 1024
"""What a form may hold beside its file."""

REFUSED = {
    "stream": ("false", "0"),
    "chunking_strategy": ("auto",),
    "include": (),
    "known_speaker_names": (),
    "known_speaker_references": (),
}
"""Parameters of OpenAI's API that would change the answer, with the values that ask for nothing special."""


class TranscriptionForm(BaseModel):
    """Everything in the form but the file. Empty fields count as left out."""

    model: str = Field("", description="A name from /v1/models; left out, the model that is loaded.")
    language: str | None = Field(
        None, description="ISO 639-1 code such as `en`, or the English name; left out, it is detected."
    )
    prompt: str = Field("", description="Text that might have come before, in the language of the audio.")
    hotwords: str = Field("", description="Words to expect, for example names.")
    temperature: float = Field(
        0, ge=0, le=1, description="0: the most likely text, with fallback to higher ones where that fails."
    )
    response_format: ResponseFormat = "json"
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        [],
        alias="timestamp_granularities[]",
        description="Only with verbose_json. Left out: `segment`.",
    )

    @field_validator("language")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is None:
            return None
        code = languages.code(value)
        if code is None:
            raise ValueError("no such language; use an ISO 639-1 code such as en")
        return code

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for what it cannot do."""
        words = "word" in self.timestamp_granularities
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise BadRequest(
                "timestamp_granularities needs response_format=verbose_json.", param="timestamp_granularities"
            )
        if self.language and self.language not in capabilities.languages:
            known = ", ".join(capabilities.languages)
            raise BadRequest(f"The model does not know {self.language}; it knows {known}.", param="language")
        for field, asked, able in (
            ("prompt", self.prompt, capabilities.prompt),
            ("hotwords", self.hotwords, capabilities.hotwords),
            ("timestamp_granularities", words, capabilities.word_times),
        ):
            if asked and not able:
                raise BadRequest(f"This service's engine cannot use {field}; leave it out.", param=field)
        return Options(
            language=self.language,
            prompt=self.prompt,
            hotwords=self.hotwords,
            # As OpenAI's API has it: 0 means "0, and higher where that fails".
            temperature=self.temperature or None,
            segments=self.response_format in ("srt", "vtt")
            or (self.response_format == "verbose_json" and "segment" in self.granularities),
            word_times=words,
        )

    @property
    def granularities(self) -> frozenset[str]:
        return frozenset(self.timestamp_granularities or ["segment"])


async def read(request: Request, limit: int) -> tuple[BinaryIO, TranscriptionForm]:
    """The uploaded file, spooled to disk, and the checked form; at most `limit` bytes of file.

    Raises TooLarge as soon as that is known, BadRequest for anything else that is wrong, and
    starlette's ClientDisconnect. The caller closes the file.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest("Send the audio as multipart/form-data, in the field file.", param="file")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit + FORM_BYTES:
        raise _too_large(limit)
    data = await _parsed(_bounded(request, limit + FORM_BYTES))
    uploads = [value for value in data.values() if isinstance(value, UploadFile)]
    try:
        file = data.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequest("The field file is missing: send the audio in it.", param="file")
        if (file.size or 0) > limit:
            raise _too_large(limit)
        form = checked(data)
    except BaseException:
        for upload in uploads:
            upload.file.close()
        raise
    return file.file, form


def checked(data: FormData) -> TranscriptionForm:
    """The fields of a form as values. Raises BadRequest with a sentence that names the field."""
    fields: dict[str, Any] = {}
    for key, value in data.multi_items():
        name = key.removesuffix("[]")
        if not isinstance(value, str) or not value.strip():
            continue
        if name in REFUSED and value.strip().lower() not in REFUSED[name]:
            raise BadRequest(f"This service does not do {name}={value[:40]}; leave it out.", param=name)
        if name == "timestamp_granularities":
            fields.setdefault("timestamp_granularities[]", []).append(value.strip())
        else:
            fields[name] = value
    try:
        return TranscriptionForm.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).removesuffix("[]")
        reason = first["msg"].removeprefix("Value error, ")
        given = str(first["input"])[:80]
        raise BadRequest(f"{name}: {reason} (given: {given!r}).", param=name, code="invalid_value") from None


async def _parsed(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=FIELDS, max_part_size=FIELD_BYTES)
    except HTTPException as error:
        raise BadRequest(f"The form cannot be read: {error.detail}") from None


def _bounded(request: Request, limit: int) -> Request:
    """The same request, whose body breaks off with TooLarge after `limit` bytes."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit - FORM_BYTES)
        return message

    return Request(request.scope, receive)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than {limit} bytes ({limit / 1e6:.0f} MB), the most that this service takes.",
        param="file",
        code="file_too_large",
    )
