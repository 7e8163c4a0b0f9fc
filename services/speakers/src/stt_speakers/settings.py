"""What is set of speakers and word times, beside the core's own settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stt_core import languages, settings
from stt_core.engine import modeldir


@dataclass(frozen=True, slots=True)
class Stages:
    """STT_NAME in capitals; an empty variable counts as unset.

    diarizer: `pyannote` is a model of the hub that asks for a token, `open` one that does not; `auto` is
        pyannote where its model is there.
    diarization_model: pyannote's: a name of the hub, looked for in the models folder, or an absolute path.
    align_models: wav2vec2 models of the hub by language, as fr=owner/name,de=owner/name.
    """

    diarizer: Literal["auto", "open", "pyannote"] = "auto"
    diarization_model: str = "pyannote/speaker-diarization-community-1"
    align_models: Mapping[str, str] = field(default_factory=dict)


def from_environment(environment: Mapping[str, str] = os.environ) -> Stages:
    """Raises StartError naming every variable that is wrong."""
    return Stages(
        **settings.parsed(
            environment,
            {
                "diarizer": settings.one_of("auto", "open", "pyannote"),
                "diarization_model": _model,
                "align_models": _models,
            },
        )
    )


def _model(text: str) -> str:
    if not Path(text).is_absolute() and not modeldir.NAME.fullmatch(text):
        raise ValueError("must be a model such as pyannote/speaker-diarization-3.1, or an absolute path")
    return text


def _models(text: str) -> dict[str, str]:
    """By Whisper's codes, which is how a transcript names its language."""
    found: dict[str, str] = {}
    for language, name in settings.pairs(text).items():
        if (code := languages.code(language)) is None:
            raise ValueError(f"there is no language {language!r}")
        found[code] = name
    if wrong := [name for name in found.values() if not modeldir.NAME.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} is not the name of a model, such as owner/wav2vec2-french")
    return found
