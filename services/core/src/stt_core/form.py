"""A multipart form with a file, read within bounds."""

import re
from collections.abc import Sequence
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message

from stt_core.errors import BadRequest, TooLarge

FIELD_BYTES = 64 * 1024
"""A form field; Whisper reads at most some 220 tokens of a prompt."""
FIELDS = 64
FORM_BYTES = 4 * 1024 * 1024
"""What a form may hold beside its file: samples of voices, above all."""

NESTED = re.compile(r"(\w+)\[(\w*)\]")
"""name[] of a list, name[key] of an object."""

Form = TypeVar("Form", bound=BaseModel)


async def read(request: Request, kind: type[Form], limit: int) -> tuple[BinaryIO, Form]:
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
        form = checked(data.multi_items(), kind)
    except BaseException:
        for upload in uploads:
            upload.file.close()
        raise
    return file.file, form


def checked(items: Sequence[tuple[str, Any]], kind: type[Form]) -> Form:
    """The fields of a form as values: where an alias ends with [] a list, name[key] as part of an object.

    Empty fields count as left out, unknown ones are passed over. Raises BadRequest with a sentence that names
    the field.
    """
    lists = {field.alias for field in kind.model_fields.values() if (field.alias or "").endswith("[]")}
    fields: dict[str, Any] = {}
    for key, value in items:
        if not isinstance(value, str) or not value.strip():
            continue
        nested = NESTED.fullmatch(key)
        name, inner = (nested[1], nested[2]) if nested else (key, "")
        if f"{name}[]" in lists:
            fields.setdefault(f"{name}[]", []).append(value.strip())
        elif inner:
            known = fields.get(name)
            fields[name] = (known if isinstance(known, dict) else {}) | {inner: value}
        else:
            fields[name] = value
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).removesuffix("[]")
        reason = first["msg"].removeprefix("Value error, ")
        given = str(first["input"])[:80]
        raise BadRequest(f"{name}: {reason} (given: {given!r}).", param=name, code="invalid_value") from None


class Parser(MultiPartParser):
    """Starlette's, which bounds each field but not all of them together."""

    def __init__(self, request: Request) -> None:
        super().__init__(
            request.headers, request.stream(), max_files=1, max_fields=FIELDS, max_part_size=FORM_BYTES
        )
        self._kept = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None:
            self._kept += end - start
            name = part.field_name.removesuffix("[]")
            allowed = FORM_BYTES if name == "known_speaker_references" else FIELD_BYTES
            if len(part.data) + end - start > allowed or self._kept > FORM_BYTES:
                raise BadRequest(f"The field {name[:40]} is too long.", param=name[:40])
        super().on_part_data(data, start, end)


async def _parsed(request: Request) -> FormData:
    try:
        return await Parser(request).parse()
    except MultiPartException as error:
        raise BadRequest(f"The form cannot be read: {error.message}") from None


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
