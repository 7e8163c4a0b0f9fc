"""A form with a file, or with the URL of one, read within bounds."""

import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Message

from stt_core.errors import BadRequest, TooLarge
from stt_core.http.internals import FormParser, MultiPartException, MultipartPart

FIELD_BYTES = 64 * 1024
"""A form field; Whisper reads at most some 220 tokens of a prompt."""
FIELDS = 64
FORM_BYTES = 4 * 1024 * 1024
"""What a form may hold beside its file: samples of voices, above all."""
PREAMBLE_BYTES = 16 * 1024
"""Of what stands before a form's first part, for readers that know no forms (RFC 2046, 5.1.1)."""

NESTED = re.compile(r"(\w+)\[(\w*)\]")
"""name[] of a list, name[key] of an object."""

Form = TypeVar("Form", bound=BaseModel)
Begins = Callable[[Sequence[tuple[str, Any]]], None]
"""Told once, with the fields before it, when the file begins, or at the end of a form that has none. Raises ApiError
where the file is not to be read."""


async def read(request: Request, kind: type[Form], limit: int, begins: Begins) -> tuple[IO[bytes] | None, Form]:
    """The uploaded file, or None where there is a field `url` in its place, and the checked form.

    Raises as `received` does.
    """
    upload, data = await received(request, limit, begins)
    try:
        if (upload is None) != bool(data.get("url")):
            what = "both are there" if upload else "neither is there"
            raise BadRequest(f"Send the audio in the field file, or its URL in url: {what}.", param="file")
        form = checked(data.multi_items(), kind)
    except BaseException:
        if upload is not None:
            upload.file.close()
        raise
    return None if upload is None else upload.file, form


async def uploaded(
    request: Request, kind: type[Form], limit: int, begins: Begins, field: str
) -> tuple[UploadFile, Form, FormData]:
    """The upload in a field, the checked form, and that form as it came. Raises as `received` does."""
    upload, data = await required(request, limit, begins, field)
    try:
        return upload, checked(data.multi_items(), kind), data
    except BaseException:
        upload.file.close()
        raise


async def required(request: Request, limit: int, begins: Begins, field: str) -> tuple[UploadFile, FormData]:
    """As `received`, where there must be an upload in the field."""
    upload, data = await received(request, limit, begins, field)
    if upload is None:
        raise BadRequest(f"The field {field} is missing: send the audio in it.", param=field)
    return upload, data


async def received(
    request: Request, limit: int, begins: Begins, field: str = "file"
) -> tuple[UploadFile | None, FormData]:
    """The upload in a field, spooled to disk, and the form it came in; at most `limit` bytes of file.

    Raises TooLarge as soon as that is known, BadRequest for anything else that is wrong, and
    starlette's ClientDisconnect. The caller closes the file.
    """
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith("application/x-www-form-urlencoded"):
        too_long = BadRequest(f"The form is longer than {FIELD_BYTES} bytes.")
        short = await _bounded(request, FIELD_BYTES, too_long).form()
        begins(short.multi_items())
        return None, short
    if not kind.startswith("multipart/form-data"):
        raise BadRequest(f"Send the audio as multipart/form-data, in the field {field}.", param=field)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit + FORM_BYTES:
        raise TooLarge(limit, param=field)
    too_large = TooLarge(limit, param=field)
    data = await _parsed(_bounded(request, limit + FORM_BYTES, too_large), field, limit, too_large, begins)
    uploads = [value for value in data.values() if isinstance(value, UploadFile)]
    try:
        found = data.get(field)
        if uploads and found not in uploads:
            raise BadRequest(f"The field {field} is missing: send the audio in it.", param=field)
    except BaseException:
        for upload in uploads:
            upload.file.close()
        raise
    if not isinstance(found, UploadFile):
        return None, data
    if not (found.filename or found.size):  # so browsers send a field in which nobody chose a file
        found.file.close()
        return None, data
    return found, data


async def document(request: Request, kind: type[Form], limit: int) -> Form:
    """A JSON body of at most so many bytes. Raises BadRequest, and starlette's ClientDisconnect."""
    body = await _bounded(request, limit, BadRequest(f"The body is longer than {limit} bytes.")).body()
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or None
        where = f"{name}: " if name else "The body: "
        raise BadRequest(f"{where}{first['msg']}.", param=name, code="invalid_value") from None


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


class Parser(FormParser):
    """Starlette's, which bounds each field, but neither all of them together nor the file.

    field: of the file, which it is with a name and without one. A preamble is passed over; a form without its
    closing boundary is refused.
    """

    def __init__(self, request: Request, field: str, limit: int, too_large: BadRequest, begins: Begins) -> None:
        _, options = parse_options_header(request.headers["content-type"])
        super().__init__(
            request.headers,
            _from_the_first_part(request.stream(), options.get(b"boundary", b"")),
            max_files=1,
            max_fields=FIELDS,
            max_part_size=FORM_BYTES,
        )
        self._field = field.encode()
        self._limit = limit
        self._too_large = too_large
        self._begins: Begins | None = begins
        self._file = 0
        self._kept = 0
        self._whole = False

    async def parse(self) -> FormData:
        data = await super().parse()
        if not self._whole:
            await data.close()
            raise MultiPartException("it breaks off before its closing boundary, so what it held is not known.")
        return data

    def form_ends(self) -> None:
        self._whole = True
        self._tell()

    def _tell(self) -> None:
        if self._begins is not None:
            begins, self._begins = self._begins, None
            begins(self.fields)

    def part_begins(self, part: MultipartPart) -> None:
        _, options = parse_options_header(part.content_disposition)
        if options.get(b"name") == self._field or b"filename" in options:
            self._tell()
        if options.get(b"name") == self._field and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'

    def part_grows(self, part: MultipartPart, size: int) -> None:
        if part.file is not None:
            self._file += size
            if self._file > self._limit:
                raise self._too_large
        else:
            self._kept += size
            name = part.field_name.removesuffix("[]")
            allowed = FORM_BYTES if name == "known_speaker_references" else FIELD_BYTES
            if len(part.data) + size > allowed or self._kept > FORM_BYTES:
                raise BadRequest(f"The field {name[:40]} is too long.", param=name[:40])


async def _parsed(request: Request, field: str, limit: int, too_large: BadRequest, begins: Begins) -> FormData:
    try:
        return await Parser(request, field, limit, too_large, begins).parse()
    except MultiPartException as error:
        raise BadRequest(f"The form cannot be read: {error.message}") from None


async def _from_the_first_part(chunks: AsyncIterable[bytes], boundary: bytes) -> AsyncGenerator[bytes, None]:
    """A form's body without its preamble, which starlette's parser takes for a mistake."""
    begin = re.compile(rb"(?:\A|\n)(?=--" + re.escape(boundary) + rb")")
    before: bytes | None = b""
    async for chunk in chunks:
        if before is None:
            yield chunk
            continue
        before += chunk
        if found := begin.search(before):
            yield before[found.end() :]
            before = None
        elif len(before) > PREAMBLE_BYTES:
            break
    if before:
        raise MultiPartException("the boundary that its content type names is not in it.")


def _bounded(request: Request, limit: int, error: BadRequest) -> Request:
    """The same request, whose body breaks off with the error after `limit` bytes."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise error
        return message

    return Request(request.scope, receive)


def described(kind: type[BaseModel], *required: str) -> dict[str, Any]:
    """A request's description for OpenAPI: the form, and the file that is read apart from it."""
    schema = kind.model_json_schema(by_alias=True)
    file = {"type": "string", "format": "binary", "description": "wav, mp3, m4a, flac, ogg, webm, mp4 …"}
    properties = {"file": file} | _inlined(schema["properties"], schema.get("$defs", {}))
    encoding = {name: {"style": "form", "explode": True} for name in properties if name.endswith("[]")}
    content = {
        "schema": {
            "type": "object",
            **({"required": list(required)} if required else {}),
            "properties": properties,
        },
        **({"encoding": encoding} if encoding else {}),
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": content}}}


def _inlined(node: Any, known: dict[str, Any]) -> Any:
    """A schema with definitions in place of references to them: the document has them nowhere else."""
    if isinstance(node, dict):
        if reference := node.get("$ref"):
            return _inlined(known[reference.rsplit("/", 1)[1]], known)
        return {key: _inlined(value, known) for key, value in node.items()}
    return [_inlined(value, known) for value in node] if isinstance(node, list) else node
