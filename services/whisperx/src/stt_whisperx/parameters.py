"""What a client of /transcribe may ask for, and what the engine is asked for it."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from stt_core import languages
from stt_core.engine.protocol import Capabilities, Options, SpeakerOptions
from stt_core.errors import BadRequest
from stt_core.http.parameters import Track

SPEAKERS = 60
"""The most that may be asked for."""

Diarize = Literal["false", "true", "auto", "channels"]
TRUE, FALSE = ("1", "yes", "on"), ("0", "no", "off")


def _diarize(value: object) -> object:
    text = str(value).strip().lower()
    return "true" if text in TRUE else "false" if text in FALSE else text


# Without an example, the page that sends the form fills in the least number.
Count = Annotated[int | None, Field(ge=1, le=SPEAKERS, json_schema_extra={"example": ""})]


class TranscribeForm(BaseModel):
    """Everything in the form of /transcribe but the file. Empty fields count as left out."""

    model: str = Field("", description="A name from /v1/models, such as `base`; left out, the service's own.")
    language: str = Field("", description="Code such as `fr`; left out or `auto`, it is detected.")
    track: Track = None
    diarize: Annotated[Diarize, BeforeValidator(_diarize)] = Field(
        "false",
        description="Who speaks. `true`: or an error; `auto`: or a warning; `channels`: each channel of the "
        "file is one speaker.",
    )
    min_speakers: Count = Field(None, description="With diarize=true or auto.")
    max_speakers: Count = Field(None, description="With diarize=true or auto.")
    num_speakers: Count = Field(None, description="Exactly so many, where that is known.")
    align: bool = Field(True, description="Words with exact times.")
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"] = "json"

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for what contradicts itself, and unknown languages."""
        speakers = self._speakers()
        if self.response_format == "diarized_json" and self.diarize == "false":
            raise BadRequest("response_format=diarized_json needs diarize.", param="diarize")
        language = languages.asked(self.language, capabilities.languages, "language")
        bare = self.response_format == "text" and self.diarize == "false"
        return Options(
            language=language,
            word_times=self.align and not bare,
            speakers=speakers,
        )

    def _speakers(self) -> SpeakerOptions | None:
        counts = {
            "min_speakers": self.min_speakers,
            "max_speakers": self.max_speakers,
            "num_speakers": self.num_speakers,
        }
        given = [name for name, count in counts.items() if count is not None]
        if self.diarize in ("false", "channels"):
            if given:
                raise BadRequest(f"{given[0]} needs diarize=true or auto.", param=given[0])
            return None
        lowest, highest, exact = counts.values()
        if lowest is not None and highest is not None and lowest > highest:
            raise BadRequest(f"min_speakers={lowest} is more than max_speakers={highest}.", param="min_speakers")
        if exact is not None and not (lowest or exact) <= exact <= (highest or exact):
            raise BadRequest(
                f"num_speakers={exact} is not between min_speakers and max_speakers; it is enough alone.",
                param="num_speakers",
            )
        return SpeakerOptions(exact or lowest, exact or highest, required=self.diarize == "true")
