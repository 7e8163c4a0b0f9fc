"""What the known voicemail server's settings mean here."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stt_core import settings
from stt_core.settings import Settings
from stt_parakeet.models import CALLED, DEFAULT

PENDING = 100
LONGEST_SECONDS = 480
RETENTION_DAYS = 365
"""Its defaults; they hold where its database is the one to go on with."""
LEVELS = {"trace": "debug", "debug": "debug", "info": "info", "warn": "warning", "error": "error", "off": "error"}
"""RUST_LOG's, as its first version has them."""
PORT = 8003
USUAL = ("parakeet-tdt", "parakeet")
"""What the known server calls the model."""


@dataclass(frozen=True, slots=True)
class Own:
    """What this service has beside the core's settings.

    model_path: a folder with the default model's files; None: it lies where the kit puts models.
    database: of the known server, to be taken over where it is there; None where nothing is.
    diarized: speakers are told.
    """

    model_path: Path | None = None
    database: Path | None = None
    diarized: bool = True


def defaults(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that hold where no STT_ variable says otherwise. Raises StartError."""
    found = _found(environment)
    model = environment.get("STT_MODEL", "").strip() or found.get("MODEL_NAME", DEFAULT)
    base = Settings(
        host=found.get("HOST", "127.0.0.1"),
        port=found.get("PORT", PORT),
        model=model,
        model_aliases=_aliases((model, *environment.get("STT_MODELS", "").split(","))),
        vad_threshold=Settings().vad_threshold if found.get("ENABLE_VAD", True) else 0.0,
        log_level=_level(environment.get("RUST_LOG", "")),
    )
    database = _database(environment)
    if database is None:
        return base
    return replace(
        base,
        jobs_dir=database.parent,
        jobs_pending=found.get("MAX_QUEUE_SIZE", PENDING),
        jobs_keep_transcripts=found.get("TEXT_RETENTION_DAYS", RETENTION_DAYS) * 86400,
        max_audio_seconds=found.get("MAX_AUDIO_DURATION_SECS", LONGEST_SECONDS),
    )


def own(environment: Mapping[str, str] = os.environ) -> Own:
    """Raises StartError."""
    path = environment.get("MODEL_PATH", "").strip()
    return Own(
        model_path=Path(path) if path else None,
        database=_database(environment),
        diarized=_found(environment).get("ENABLE_DIARIZATION", True),
    )


def _aliases(models: Iterable[str]) -> dict[str, str]:
    """What models are called beside their names on the hub."""
    served = [name for model in models if (name := model.strip())]
    short = {
        bare: model for model in reversed(served) if (bare := model.rpartition("/")[2].removesuffix("-onnx")) != model
    }
    return short | {name: DEFAULT for name in USUAL if DEFAULT in served}


def _database(environment: Mapping[str, str]) -> Path | None:
    """None where it is said otherwise where jobs are kept."""
    if environment.get("STT_JOBS_DIR", "").strip():
        return None
    path = environment.get("DB_PATH", "").strip()
    return Path(path) if path else None


def _found(environment: Mapping[str, str]) -> dict[str, Any]:
    """What is set of the known server's, by its names. Raises StartError."""
    there = {name: environment[name] for name in _PARSERS if name in environment}
    return settings.parsed(there, _PARSERS, {name: name for name in there})


def _model(text: str) -> str:
    if text not in CALLED:
        raise ValueError(f"must be one of {', '.join(CALLED)}")
    return CALLED[text]


def _level(text: str) -> str:
    """Of RUST_LOG, such as `info` or `server=debug,warn`: the last that is no module's; without one, info."""
    words = [word.strip().lower() for word in text.split(",") if "=" not in word]
    return next((LEVELS[word] for word in reversed(words) if word in LEVELS), "info")


def _flag(text: str) -> bool:
    return text.lower() in ("true", "1", "yes", "on")


def _whole(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1_000_000:
        raise ValueError("must be a whole number from 1 to 999999")
    return int(text)


_PARSERS: dict[str, settings.Parser] = {
    "MODEL_NAME": _model,
    "HOST": str,
    "PORT": _whole,
    "MAX_QUEUE_SIZE": _whole,
    "MAX_AUDIO_DURATION_SECS": _whole,
    "TEXT_RETENTION_DAYS": _whole,
    "ENABLE_DIARIZATION": _flag,
    "ENABLE_VAD": _flag,
}
