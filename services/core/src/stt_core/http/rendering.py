"""The formats that every service has, as answers over HTTP."""

from collections.abc import Iterable, Set
from typing import Literal

from pydantic import BaseModel
from starlette.responses import JSONResponse, PlainTextResponse, Response

from stt_core.engine.protocol import Task, Transcript
from stt_core.output import formats
from stt_core.output.subtitles import Limits

WARNING = "x-warning"
"""The header with sentences about what was asked for and not done: few formats have a place for them."""

Rendered = Literal["text", "srt", "vtt", "verbose_json", "diarized_json"]


def rendered(
    transcript: Transcript,
    response_format: Rendered,
    granularities: Set[str],
    limits: Limits,
    task: Task = "transcribe",
) -> Response:
    """The transcript in a format that is the same in every service. `granularities`: of verbose_json."""
    match response_format:
        case "verbose_json":
            return json(formats.verbose_body(transcript, frozenset(granularities), task))
        case "diarized_json":
            return json(formats.diarized_body(transcript))
        case "text":
            return PlainTextResponse(formats.text(transcript))
        case "srt":
            return PlainTextResponse(formats.srt(transcript, limits))
        case "vtt":
            return PlainTextResponse(formats.vtt(transcript, limits), media_type="text/vtt")


def json(body: BaseModel) -> Response:
    return JSONResponse(body.model_dump(exclude_none=True))


def warned(response: Response, warnings: Iterable[str]) -> Response:
    """The answer, which says in its head what was not done."""
    if sentences := " ".join(" ".join(warnings).split()):
        response.headers[WARNING] = sentences.encode("ascii", "replace").decode()
    return response
