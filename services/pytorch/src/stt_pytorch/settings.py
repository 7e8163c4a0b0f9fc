"""What is set of this service alone, beside the core's settings and those of the stages."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from stt_core import languages, settings


@dataclass(frozen=True, slots=True)
class Transcribe:
    """STT_NAME in capitals; an empty variable counts as unset.

    transcribe_language: of a form of /transcribe that does not name one; `auto` is to detect it.
    """

    transcribe_language: str = languages.AUTO


def transcribe(environment: Mapping[str, str] = os.environ) -> Transcribe:
    """Raises StartError naming a variable that is wrong."""
    return Transcribe(**settings.parsed(environment, {"transcribe_language": _language}))


def _language(text: str) -> str:
    if text.lower() == languages.AUTO:
        return languages.AUTO
    if (code := languages.code(text)) is None:
        raise ValueError(f"must be a language such as fr, or {languages.AUTO}")
    return code
