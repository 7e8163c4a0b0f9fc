"""What a client may ask for, as OpenAI's API names it, and what the engine is asked for it."""

import base64
import binascii
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from stt_core import languages
from stt_core.engine.protocol import Capabilities, Options, SpeakerOptions, Task, VadOptions, Voice
from stt_core.errors import BadRequest

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]
DiarizedFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
STREAMED = ("json", "text", "diarized_json")
"""The formats whose events OpenAI's API knows."""
VOICES = 4


class ServerVad(BaseModel):
    """How speech is told from silence; what is left out stays as the service has it."""

    type: Literal["server_vad"]
    threshold: float | None = Field(None, ge=0, le=1, description="From which probability on it is speech.")
    prefix_padding_ms: int | None = Field(None, ge=0, le=5_000, description="Audio kept around speech.")
    silence_duration_ms: int | None = Field(None, ge=0, le=10_000, description="Silence that ends speech.")

    def options(self) -> VadOptions:
        usual = VadOptions()
        return VadOptions(
            usual.threshold if self.threshold is None else self.threshold,
            usual.silence if self.silence_duration_ms is None else self.silence_duration_ms / 1000,
            usual.padding if self.prefix_padding_ms is None else self.prefix_padding_ms / 1000,
        )


def _chunking(value: Any) -> Any:
    """`auto`, or an object: from fields of its own, or from one field with JSON."""
    if value is None or value == "auto":
        return value
    try:
        return ServerVad.model_validate(json.loads(value) if isinstance(value, str) else value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError:
        raise ValueError("must be auto, or an object with type server_vad") from None


Track = Annotated[
    int | None,
    Field(
        ge=1,
        description="Which of the file's audio tracks to transcribe, from 1. Default: its default track.",
        json_schema_extra={"example": ""},  # without one, the page that sends the form fills in a number
    ),
]


NAME_LENGTH = 200
"""Characters of a user_uuid or a message_id."""
URL_LENGTH = 2000


class JobFields(BaseModel):
    """What makes a job of a request. Empty fields count as left out."""

    user_uuid: str = Field(
        "", max_length=NAME_LENGTH, description="With message_id: a job, which the same pair always finds again."
    )
    message_id: str = Field("", max_length=NAME_LENGTH, description="The user's own name of the recording.")
    force: bool = Field(False, description="Erase the job that the pair has already, and do it again.")
    asynchronous: bool = Field(
        False, alias="async", description="A job: the answer is its id, and the recording is kept until it is done."
    )
    callback_url: str = Field(
        "", max_length=URL_LENGTH, description="Where to tell that the job is done, by a signed webhook."
    )

    @property
    def paired(self) -> bool:
        """It has names of its submitter's own. Raises BadRequest where one of the two is missing."""
        if bool(self.user_uuid) != bool(self.message_id):
            missing = "message_id" if self.user_uuid else "user_uuid"
            raise BadRequest("user_uuid and message_id belong together: send both, or neither.", param=missing)
        return bool(self.user_uuid)

    def as_asked(self) -> dict[str, Any]:
        """The fields that were given, but for those that make a job of them; for JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=set(JobFields.model_fields))


class SpeechForm(JobFields):
    """What transcription and translation have in common. Empty fields count as left out."""

    url: str = Field("", description="Where the file is, in place of `file`: http:// or https://.")
    model: str = Field("", description="A name from /v1/models; left out, the service's own.")
    track: Track = None
    prompt: str = Field("", description="Text that might have come before, in the language of the answer.")
    temperature: float = Field(
        0, ge=0, le=1, description="0: the most likely text, with fallback to higher ones where that fails."
    )

    @property
    def fallback(self) -> float | None:
        """As OpenAI's API has it: 0 means "0, and higher where that fails"."""
        return self.temperature or None


class TranslationForm(SpeechForm):
    """Everything in the form of /v1/audio/translations but the file."""

    language: str = Field(
        "", description="What is spoken: a code such as `fr`. Left out, it is detected, where the model can."
    )
    response_format: Format = "json"

    @property
    def task(self) -> Task:
        return "translate"

    @property
    def granularities(self) -> frozenset[str]:
        return frozenset(["segment"])

    @property
    def streams(self) -> bool:
        return False

    @property
    def left_out(self) -> tuple[str, ...]:
        return ()

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for what it cannot do."""
        if not capabilities.translation:
            raise BadRequest("This model cannot translate; it can only transcribe.", param="model")
        _able("prompt", self.prompt, capabilities.prompt)
        return Options(
            task=self.task,
            language=languages.asked(self.language, capabilities.languages, "language"),
            prompt=self.prompt,
            temperature=self.fallback,
        )


class TranscriptionForm(SpeechForm):
    """Everything in the form of /v1/audio/transcriptions but the file."""

    language: str = Field(
        "",
        description="A code such as `en` or `eng`, or the English name; left out or `auto`, it is detected.",
    )
    languages: list[str] = Field(
        [], alias="languages[]", description="Those that may be spoken, where `language` is left out."
    )
    keywords: list[str] = Field([], alias="keywords[]", description="Words to expect, for example names.")
    hotwords: str = Field("", description="The same as one text.")
    response_format: DiarizedFormat = "json"
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        [],
        alias="timestamp_granularities[]",
        description="Of verbose_json. Left out: `segment`.",
    )
    include: list[Literal["logprobs"]] = Field([], alias="include[]", description="Of json.")
    stream: bool = Field(
        False,
        description="Events as the text comes, with json, text and diarized_json; others come whole.",
    )
    chunking_strategy: Annotated[Literal["auto"] | ServerVad | None, BeforeValidator(_chunking)] = Field(
        None, description="`auto`, or a server_vad object: as JSON, or as chunking_strategy[type] and so on."
    )
    known_speaker_names: list[str] = Field(
        [], alias="known_speaker_names[]", max_length=VOICES, description="Only with diarized_json."
    )
    known_speaker_references: list[str] = Field(
        [],
        alias="known_speaker_references[]",
        max_length=VOICES,
        description="A data URL with some seconds of speech for each name.",
    )

    @property
    def task(self) -> Task:
        return "transcribe"

    @property
    def granularities(self) -> frozenset[str]:
        return frozenset(self.timestamp_granularities or ["segment"])

    @property
    def streams(self) -> bool:
        return self.stream and self.response_format in STREAMED

    @property
    def logprobs(self) -> bool:
        return bool(self.include) and self.response_format == "json"

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is asked of the answer that its format has no place for, a sentence each.

        OpenAI's API passes over these, at least for some of its models, so its clients send them.
        """
        asked = (
            ("timestamp_granularities", self.timestamp_granularities, ("verbose_json",)),
            ("include", self.include, ("json",)),
            ("stream", self.stream, STREAMED),
        )
        return tuple(
            f"{name} was ignored: it applies to {', '.join(formats)}, not to {self.response_format}."
            for name, given, formats in asked
            if given and self.response_format not in formats
        )

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for what it cannot do, or what contradicts itself."""
        words = self.response_format == "verbose_json" and "word" in self.timestamp_granularities
        hotwords = ", ".join([*self.keywords, *filter(None, [self.hotwords.strip()])])
        diarized = self.response_format == "diarized_json"
        for field, asked, able in (
            ("response_format", diarized, capabilities.speakers),
            ("known_speaker_names", self.known_speaker_names, capabilities.speakers),
            ("known_speaker_references", self.known_speaker_references, capabilities.speakers),
            ("prompt", self.prompt, capabilities.prompt),
            ("keywords" if self.keywords else "hotwords", hotwords, capabilities.hotwords),
            ("timestamp_granularities", words, capabilities.word_times),
            ("include", self.logprobs, capabilities.logprobs),
        ):
            _able(field, asked, able)
        if len(self.known_speaker_names) != len(self.known_speaker_references):
            raise BadRequest(
                "known_speaker_names and known_speaker_references must be of one length.",
                param="known_speaker_references",
            )
        if self.known_speaker_names and not diarized:
            raise BadRequest("known_speaker_names needs response_format=diarized_json.", param="known_speaker_names")
        known = capabilities.languages
        language = languages.asked(self.language, known, "language")
        several = tuple(languages.chosen(one, known, "languages") for one in self.languages)
        subtitles = self.response_format in ("srt", "vtt")
        return Options(
            language=language or (several[0] if len(several) == 1 else None),
            languages=() if language else several,
            prompt=self.prompt,
            hotwords=hotwords,
            temperature=self.fallback,
            word_times=words or ((subtitles or diarized) and capabilities.word_times),
            logprobs=self.logprobs,
            speakers=SpeakerOptions() if diarized else None,
            voices=self._voices(),
            vad=self.chunking_strategy.options() if isinstance(self.chunking_strategy, ServerVad) else None,
        )

    def _voices(self) -> tuple[Voice, ...]:
        pairs = zip(self.known_speaker_names, self.known_speaker_references, strict=True)
        return tuple(Voice(name, _sample(reference)) for name, reference in pairs)


def _able(field: str, asked: object, able: bool) -> None:
    if asked and not able:
        what = f"{field}={asked}" if isinstance(asked, str) and field == "response_format" else field
        raise BadRequest(f"This service does not support {what}; leave it out.", param=field)


def _sample(reference: str) -> bytes:
    """The bytes of a data URL. Raises BadRequest."""
    head, _, content = reference.partition(",")
    try:
        if head.startswith("data:") and head.endswith(";base64"):
            return base64.b64decode(content, validate=True)
    except binascii.Error:
        pass
    raise BadRequest(
        "known_speaker_references must be data URLs, as data:audio/wav;base64 and so on.",
        param="known_speaker_references",
    )
