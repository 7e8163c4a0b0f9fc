"""The lines of a batch, as they are sent and as they are answered. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LINES = 50_000
"""As OpenAI's and Groq's APIs take."""
LINE_BYTES = 64 * 1024
MISTAKES = 50
"""That are told of one batch."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request. body: its fields, with the `url` or the `file_id` of its recording."""

    custom_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """line: counted from 1."""

    line: int
    code: str
    message: str
    param: str | None = None

    def as_told(self) -> dict[str, Any]:
        return {"line": self.line, "code": self.code, "message": self.message, "param": self.param}


def parsed(lines: Iterable[bytes], endpoint: str) -> tuple[list[Line], list[Mistake]]:
    """The requests of a file; empty lines are passed over."""
    found: list[Line] = []
    mistakes: list[Mistake] = []
    seen: set[str] = set()
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        if len(found) >= LINES or len(mistakes) >= MISTAKES:
            if len(found) >= LINES:
                mistakes.append(Mistake(number, "too_many_lines", f"A batch has at most {LINES} lines."))
            break
        result = _line(raw, number, endpoint)
        if isinstance(result, Line) and result.custom_id in seen:
            result = Mistake(number, "duplicate_custom_id", "This custom_id stands in an earlier line.", "custom_id")
        if isinstance(result, Mistake):
            mistakes.append(result)
        else:
            seen.add(result.custom_id)
            found.append(result)
    if not found and not mistakes:
        mistakes.append(Mistake(1, "empty_file", "The file has no lines."))
    return found, mistakes


def _line(raw: bytes, number: int, endpoint: str) -> Line | Mistake:
    if len(raw) > LINE_BYTES:
        return Mistake(number, "line_too_long", f"The line is longer than {LINE_BYTES} bytes.")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return Mistake(number, "invalid_json_line", "The line is not JSON.")
    if not isinstance(document, dict):
        return Mistake(number, "invalid_json_line", "The line is not an object.")
    custom_id, body = document.get("custom_id"), document.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= 512:
        return Mistake(number, "invalid_custom_id", "custom_id must be a text of 1 to 512 characters.", "custom_id")
    if document.get("method") != "POST":
        return Mistake(number, "invalid_method", "method must be POST.", "method")
    if document.get("url") != endpoint:
        return Mistake(number, "invalid_url", f"url must be the batch's endpoint, {endpoint}.", "url")
    if not isinstance(body, dict):
        return Mistake(number, "invalid_body", "body must be an object.", "body")
    if isinstance(body.get("url"), str) == isinstance(body.get("file_id"), str):
        return Mistake(
            number,
            "invalid_body",
            "body must name the recording by url, or by file_id of an uploaded file.",
            "body.url",
        )
    return Line(custom_id, body)


def fields(body: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """A body as the fields of a form."""
    form: list[tuple[str, Any]] = []
    for key, value in body.items():
        if key in ("file_id", "url", "stream") or value is None:
            continue
        if isinstance(value, list):
            form += [(f"{key.removesuffix('[]')}[]", _text(one)) for one in value]
        else:
            form.append((key, _text(value)))
    return form


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def answered(batch: str, number: int, custom_id: str, status: int, body: Any) -> str:
    """A line of the output or the error file."""
    response = {"status_code": status, "request_id": f"{batch}-{number}", "body": body}
    line = {"id": f"batch_req_{batch.removeprefix('batch_')}_{number}", "custom_id": custom_id, "response": response}
    return json.dumps({**line, "error": None}, ensure_ascii=False) + "\n"


def error(message: str, code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    """The body of an answer that is an error."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
