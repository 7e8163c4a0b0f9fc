"""The forms that a job can be handed in with, and how what came of it is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from stt_core.engine.protocol import Transcript
from stt_core.errors import BadRequest
from stt_core.http.parameters import TranscriptionForm, TranslationForm
from stt_core.jobs.model import Job
from stt_core.output.subtitles import Limits

Rendered = Callable[[Transcript, Any, Limits], Response]
"""The answer that a synchronous request with this form would have got."""


@dataclass(frozen=True, slots=True)
class JobForm:
    """form: its class; it has a field `response_format`."""

    form: type[BaseModel]
    rendered: Rendered


class JobForms:
    """By the name that is kept with a job."""

    def __init__(self, forms: Mapping[str, JobForm], limits: Limits) -> None:
        self._forms = forms
        self._limits = limits

    @property
    def classes(self) -> dict[str, type[BaseModel]]:
        return {name: one.form for name, one in self._forms.items()}

    def answer(self, job: Job, transcript: Transcript, response_format: str) -> Response:
        """What came of a job, in the format that was asked for with it, or in another. Raises BadRequest."""
        kind = self._forms[job.request.form]
        fields = dict(job.request.fields)
        if response_format:
            fields["response_format"] = response_format
        try:
            asked = kind.form.model_validate(fields)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise BadRequest(f"response_format: {reason}.", param="response_format", code="invalid_value") from None
        return kind.rendered(transcript, asked, self._limits)


TRANSCRIPTIONS, TRANSLATIONS = "transcriptions", "translations"


def own(rendered: Rendered) -> dict[str, JobForm]:
    """Those of OpenAI's paths, which every service has."""
    return {TRANSCRIPTIONS: JobForm(TranscriptionForm, rendered), TRANSLATIONS: JobForm(TranslationForm, rendered)}
