"""A session's settings, how a session.update changes them, and what they ask of the engine."""

from dataclasses import dataclass, field, replace

from stt_core import languages
from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Capabilities, Options, VadOptions
from stt_core.errors import BadRequest
from stt_core.realtime.codecs import RATES, Encoding
from stt_core.realtime.events import LOGPROBS, Change, Event, Transcription, TurnDetection
from stt_core.realtime.turns import Rules

MILLISECOND = SAMPLE_RATE // 1000
"""Samples."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How the speech is to be transcribed."""

    model: str = ""
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str = ""
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """asked: None for no transcription at all. turns: None where the client commits by itself."""

    asked: Asked | None = field(default_factory=Asked)
    encoding: Encoding = "audio/pcm"
    turns: Rules | None = field(default_factory=Rules)
    logprobs: bool = False


def changed(settings: SessionSettings, change: Change) -> SessionSettings:
    """The settings with what `change` names. Raises BadRequest."""
    given = change.audio.input
    if "include" in change.model_fields_set:
        settings = replace(settings, logprobs=bool(change.include))
    if given.format is not None:
        rate = RATES[given.format.type]
        if given.format.rate not in (None, rate):
            raise BadRequest(
                f"{given.format.type} has {rate} samples a second here, not {given.format.rate}.",
                param="session.audio.input.format.rate",
                code="invalid_value",
            )
        settings = replace(settings, encoding=given.format.type)
    if "transcription" in given.model_fields_set:
        settings = replace(settings, asked=_asked(settings.asked or Asked(), given.transcription))
    if "turn_detection" in given.model_fields_set:
        settings = replace(settings, turns=_rules(settings.turns or Rules(), given.turn_detection))
    return settings


def options(settings: SessionSettings, asked: Asked, able: Capabilities) -> Options:
    """What the engine is asked for each turn. Raises BadRequest for what it cannot do."""
    where = "session.audio.input.transcription."
    language = languages.asked(asked.language, able.languages, where + "language")
    several = tuple(languages.chosen(one, able.languages, where + "languages") for one in asked.languages)
    for name, wanted, possible in (
        ("transcription.prompt", asked.prompt, able.prompt),
        ("transcription.keywords", asked.keywords, able.hotwords),
        ("include", settings.logprobs, able.logprobs),
    ):
        if wanted and not possible:
            where = "session.include" if name == "include" else f"session.audio.input.{name}"
            raise BadRequest(f"This service does not support {name}; leave it out.", param=where)
    threshold = VadOptions().threshold if settings.turns is None else settings.turns.threshold
    return Options(
        language=language or (several[0] if len(several) == 1 else None),
        languages=() if language else several,
        prompt=asked.prompt,
        hotwords=", ".join(asked.keywords),
        logprobs=settings.logprobs,
        vad=VadOptions(threshold=threshold),
    )


def described(settings: SessionSettings, session: str) -> Event:
    """The session as session.created and session.updated show it: what is in effect."""
    asked, turns, rate = settings.asked, settings.turns, RATES[settings.encoding]
    return {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": session,
        "audio": {
            "input": {
                "format": {"type": settings.encoding} | ({"rate": rate} if settings.encoding == "audio/pcm" else {}),
                "transcription": asked
                and {
                    "model": asked.model,
                    "language": asked.language,
                    "languages": list(asked.languages) or None,
                    "prompt": asked.prompt,
                    "keywords": list(asked.keywords) or None,
                },
                "noise_reduction": None,
                "turn_detection": turns
                and {
                    "type": "server_vad",
                    "threshold": turns.threshold,
                    "prefix_padding_ms": turns.prefix // MILLISECOND,
                    "silence_duration_ms": turns.silence // MILLISECOND,
                },
            }
        },
        "include": [LOGPROBS] if settings.logprobs else None,
    }


def _asked(before: Asked, given: Transcription | None) -> Asked | None:
    if given is None:
        return None
    named = given.model_fields_set - {"delay"}
    empty = Asked(model=before.model)  # null, or an empty value, takes back what was set
    values = {name: getattr(given, name) or getattr(empty, name) for name in named}
    lists = {name: tuple(values[name]) for name in named & {"languages", "keywords"}}
    return replace(before, **(values | lists))


def _rules(before: Rules, given: TurnDetection | None) -> Rules | None:
    if given is None:
        return None
    prefix, silence = given.prefix_padding_ms, given.silence_duration_ms
    return Rules(
        threshold=before.threshold if given.threshold is None else given.threshold,
        prefix=before.prefix if prefix is None else prefix * MILLISECOND,
        silence=before.silence if silence is None else silence * MILLISECOND,
    )
