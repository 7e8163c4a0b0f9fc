"""Settings, from environment variables. Plain Python: what loads the model first must be quick to import."""

import base64
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from stt_core.errors import StartError
from stt_core.fetch.addresses import NONE, Hosts, hosts


@dataclass(frozen=True, slots=True)
class Settings:
    """STT_NAME in capitals, or a name in KNOWN; an empty variable counts as unset.

    port: 0 for a free one; each kind has its own, as its service.yml says.
    model: the default one, loaded at start; likewise.
    models: others that are loaded when somebody asks for them.
    model_aliases: more names for models, as name=model,name=model.
    memory_budget: bytes that the loaded models may take together before the least recently used one is put
        away. 0: half of what the container may use, where it has a limit (of a GPU's memory it says nothing).
    vad_threshold: probability from which on a frame counts as speech; 0 hears everything, silence and music too.
    max_audio_seconds: of a recording; a longer one is refused. 0: a day, which nothing may exceed.
    queue: requests that are transcribed or wait; one more gets 429.
    subtitle_line, subtitle_lines, subtitle_seconds: columns of a line, lines and seconds of a cue, at most.
    log_format: json, or text; None for text on a terminal and json elsewhere.
    log_level: what is logged at least: debug, info, warning or error.
    stop_seconds: how long a stop waits for the requests that were accepted; Docker kills 5 s later.
    url_allow: hosts that url= may name though they are private, at any port: media.lan, 10.0.0.0/8.
    url_insecure: hosts whose certificates are taken as they come, self-signed ones too.
    url_authority: certificates, as PEM, whose holders vouch for others beside the usual authorities. Set by the path of
        a file, as PEM, or by base64 alone, which fits in one line.
    cors_origins: of web pages that may call from elsewhere, for a service without a proxy before it: * for all.
    realtime_sessions: websockets of /v1/realtime at once; one more is told so and closed.
    wyoming_port: where Home Assistant is answered; None: nowhere. 0: a free one.
    wyoming_host: its address; the protocol has no password.
    jobs_dir: where jobs are kept: recordings and, without database_url, their database. None: there are no jobs.
    database_url: of a PostgreSQL whose queue several machines share.
    jobs_queue: with database_url, the queue's name: services of one name share it.
    jobs_pending: jobs that may wait or be processed at once; one more gets 429.
    jobs_per_user: the same of one user_uuid; 0: any number.
    jobs_keep_audio, jobs_keep_transcripts: seconds after a job's end; 0 deletes the recording at once, and keeps
        the transcript for ever.
    jobs_address: base URL at which the other machines of the queue reach this service.
    jobs_key: what these machines have in common, to ask each other for recordings.
    webhook_url: where to tell of a job that names no callback_url.
    webhook_secret: signs what is told, as whsec_ and base64.
    """

    host: str = "127.0.0.1"
    port: int = 0
    model: str = ""
    models: tuple[str, ...] = ()
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    models_dir: Path = Path("/models")
    device: str = "cpu"
    compute_type: str = "int8"
    max_upload_bytes: int = 500_000_000
    vad_threshold: float = 0.5
    max_audio_seconds: int = 0
    memory_budget: int = 0
    queue: int = 16
    subtitle_line: int = 42
    subtitle_lines: int = 2
    subtitle_seconds: int = 7
    log_format: Literal["json", "text"] | None = None
    log_level: str = "info"
    stop_seconds: int = 25
    url_allow: Hosts = NONE
    url_insecure: Hosts = NONE
    url_authority: str = ""
    cors_origins: tuple[str, ...] = ()
    realtime_sessions: int = 8
    wyoming_host: str = "127.0.0.1"
    wyoming_port: int | None = None
    jobs_dir: Path | None = None
    database_url: str = field(default="", repr=False)
    jobs_queue: str = "jobs"
    jobs_pending: int = 1000
    jobs_per_user: int = 0
    jobs_keep_audio: int = 0
    jobs_keep_transcripts: int = 30 * 86400
    jobs_address: str = ""
    jobs_key: str = field(default="", repr=False)
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)


KNOWN = {
    "host": "UVICORN_HOST",
    "port": "UVICORN_PORT",
    "model": "WHISPER__MODEL",
    "device": "WHISPER__INFERENCE_DEVICE",
    "database_url": "DATABASE_URL",
    "log_level": "LOG_LEVEL",
}
"""Names from other Whisper servers, and the one that hosting providers give a database's URL."""
SECRET = frozenset({"database_url", "jobs_key", "webhook_secret"})
"""Of these no message repeats the value."""


def from_environment(environment: Mapping[str, str] = os.environ, defaults: Settings = Settings()) -> Settings:
    """`defaults` where the environment is silent. Raises StartError naming every variable that is wrong."""
    return replace(defaults, **parsed(environment, _PARSERS, KNOWN))


Parser = Callable[[str], Any]
"""Makes a value of a variable's text. Raises ValueError with what the text must be."""


def parsed(
    environment: Mapping[str, str], parsers: Mapping[str, Parser], known: Mapping[str, str] = {}
) -> dict[str, Any]:
    """The values of those that are set of STT_NAME, or of its other known name. Raises StartError."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for name, parse in parsers.items():
        for variable in (f"STT_{name.upper()}", known.get(name, "")):
            if text := environment.get(variable, "").strip():
                try:
                    values[name] = parse(text)
                except ValueError as error:
                    wrong.append(f"{variable}{'' if name in SECRET else f'={text!r}'}: {error}")
                break
    if wrong:
        raise StartError("Wrong settings: " + "; ".join(wrong) + ".")
    return values


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _share(text: str) -> float:
    if not re.fullmatch(r"0|1|0?\.\d+|1\.0*", text):
        raise ValueError("must be a number from 0 to 1")
    return float(text)


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.lower()

    return parse


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def pairs(text: str) -> dict[str, str]:
    """name=model,name=model"""
    found = [[side.strip() for side in name.partition("=")[::2]] for name in _names(text)]
    if not all(name and model for name, model in found):
        raise ValueError("must be name=model, more of them after commas")
    return {name: model for name, model in found}


def _authority(text: str) -> str:
    import ssl  # wanted by few

    if text.startswith("/"):
        try:
            text = Path(text).read_text("ascii")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not PEM"
            raise ValueError(f"cannot be read: {reason}") from None
    try:
        if "-----BEGIN" not in text:
            text = ssl.DER_cert_to_PEM_cert(base64.b64decode(text, validate=True))
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        raise ValueError("must be the path of a PEM file, PEM, or a certificate as base64 alone") from None
    return text


def _origins(text: str) -> tuple[str, ...]:
    found = _names(text)
    if wrong := [one for one in found if one != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", one)]:
        raise ValueError(f"{wrong[0]!r} is no origin, such as https://app.example.org")
    return found


def _address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    return text.rstrip("/")


_PARSERS: dict[str, Parser] = {
    "host": str,
    "port": _number(0, 65535),
    "model": str,
    "models": _names,
    "model_aliases": pairs,
    "models_dir": Path,
    "device": one_of("cpu", "cuda", "mps", "auto"),
    "compute_type": str,
    "max_upload_bytes": _number(1, 2**40),
    "vad_threshold": _share,
    "max_audio_seconds": _number(0, 86400),
    "memory_budget": _number(0, 2**50),
    "queue": _number(1, 1000),
    "subtitle_line": _number(10, 200),
    "subtitle_lines": _number(1, 4),
    "subtitle_seconds": _number(1, 60),
    "log_format": one_of("json", "text"),
    "log_level": one_of("debug", "info", "warning", "error"),
    "stop_seconds": _number(0, 3600),
    "url_allow": hosts,
    "url_insecure": hosts,
    "url_authority": _authority,
    "cors_origins": _origins,
    "realtime_sessions": _number(0, 1000),
    "wyoming_host": str,
    "wyoming_port": _number(0, 65535),
    "jobs_dir": Path,
    "database_url": str,
    "jobs_queue": str,
    "jobs_pending": _number(1, 1_000_000),
    "jobs_per_user": _number(0, 1_000_000),
    "jobs_keep_audio": _number(0, 2**31),
    "jobs_keep_transcripts": _number(0, 2**31),
    "jobs_address": _address,
    "jobs_key": str,
    "webhook_url": _address,
    "webhook_secret": str,
}
