"""Settings, from environment variables. Plain Python: what loads the model first must be quick to import."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt_core.errors import StartError
from stt_core.reach import NONE, Hosts, hosts

DEVICES = ("cpu", "cuda", "auto")


@dataclass(frozen=True, slots=True)
class Settings:
    """STT_NAME in capitals, or a name in KNOWN; an empty variable counts as unset.

    queue: requests that are transcribed or wait; one more gets 429.
    subtitle_line, subtitle_lines, subtitle_seconds: columns of a line, lines and seconds of a cue, at most.
    url_allow: hosts that url= may name though they are private, at any port: media.lan, 10.0.0.0/8.
    url_insecure: hosts whose certificates are taken as they come, self-signed ones too.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    model: str = "Systran/faster-whisper-small"
    models_dir: Path = Path("/models")
    device: str = "cpu"
    compute_type: str = "int8"
    max_upload_bytes: int = 500_000_000
    queue: int = 16
    subtitle_line: int = 42
    subtitle_lines: int = 2
    subtitle_seconds: int = 7
    url_allow: Hosts = NONE
    url_insecure: Hosts = NONE


KNOWN = {
    "host": "UVICORN_HOST",
    "port": "UVICORN_PORT",
    "model": "WHISPER__MODEL",
    "device": "WHISPER__INFERENCE_DEVICE",
}
"""Names from other Whisper servers."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises StartError naming every variable that is wrong."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field, parse in _PARSERS.items():
        for variable in (f"STT_{field.upper()}", KNOWN.get(field, "")):
            if text := environment.get(variable, "").strip():
                try:
                    values[field] = parse(text)
                except ValueError as error:
                    wrong.append(f"{variable}={text!r}: {error}")
                break
    if wrong:
        raise StartError("Wrong settings: " + "; ".join(wrong) + ".")
    return Settings(**values)


def _number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _device(text: str) -> str:
    if text not in DEVICES:
        raise ValueError(f"must be one of {', '.join(DEVICES)}")
    return text


_PARSERS: dict[str, Callable[[str], Any]] = {
    "host": str,
    "port": _number(0, 65535),
    "model": str,
    "models_dir": Path,
    "device": _device,
    "compute_type": str,
    "max_upload_bytes": _number(1, 2**40),
    "queue": _number(1, 1000),
    "subtitle_line": _number(10, 200),
    "subtitle_lines": _number(1, 4),
    "subtitle_seconds": _number(1, 60),
    "url_allow": hosts,
    "url_insecure": hosts,
}
