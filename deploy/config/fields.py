"""The values that an inventory is made of: their forms, and what is said of a wrong one."""

import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic import WithJsonSchema as Schema

from deploy.config import quantities
from deploy.config.quoting import shown

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{LABEL}(\.{LABEL})*")
_NAMED = re.compile(rf"(?!([0-9]+\.)*[0-9]+$){_HOSTNAME.pattern}")
"""The same, and no address."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,252}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_PROFILE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_COMPUTE_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_ORIGIN = re.compile(
    rf"(https?://{LABEL}(\.{LABEL})*|(?!(https?|file|data|javascript|blob|about):)[a-z][a-z0-9+.-]{{0,30}}://[A-Za-z0-9._-]{{1,253}})(:[0-9]{{1,5}})?"
)
"""Of a page; or of what is an app's own, as tauri://localhost, app://obsidian.md and chrome-extension://…"""
_URL = re.compile(r"https://[A-Za-z0-9._~:/?=&%-]{1,500}")
_WEBHOOK = re.compile(r"https?://[A-Za-z0-9._~:/?=&%@!+,;*-]{1,1000}")
_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,200}[A-Za-z0-9])?")
_RELAY = re.compile(rf"{LABEL}(\.{LABEL})*(:[0-9]{{1,5}})?")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_PLACE = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]{1,100}){1,16}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_IMAGE = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?/)?"  # a registry
    r"[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*){0,8}"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})"
)
_URL_PATH = re.compile(r"/[A-Za-z0-9._~:@!&=+,/%-]{0,500}")
_FOLDER = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){1,16}")
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+|command:[^\x00-\x1f]+")


def _match(pattern: re.Pattern[str], says: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{shown(text)} is not {says}")
    return text


def _hostname(text: str) -> str:
    if len(text) > 253:
        raise ValueError("a host name has at most 253 characters")
    bare = text.removeprefix("[").removesuffix("]")
    if text.rpartition(".")[2].isdecimal() or (":" in bare and not re.search("[^0-9a-fA-F:.]", bare)):
        raise ValueError(
            f"{shown(text)} is an address, but services are told apart by name: write a name here, such as "
            "example.org, and the address into the host's `address`"
        )
    without = re.sub(":[0-9]{1,5}$", "", re.sub("^[a-z]+://", "", text).rstrip("/")).removeprefix("*.")
    if without != text and _HOSTNAME.fullmatch(without):
        raise ValueError(f"{shown(text)} is not a host name: write {without}")
    return _match(_HOSTNAME, "a host name such as whisper.example.org", text).lower()


def _origin(text: str) -> str:
    """As browsers send it: in small letters."""
    if text in ("*", "null"):
        why = "every page of the web" if text == "*" else "any page from a file or a sandbox"
        raise ValueError(f"{shown(text)} is {why}: list the origins that may call, such as https://app.example.org")
    if text.endswith("/") and _ORIGIN.fullmatch(text[:-1]):
        raise ValueError(f"{shown(text)} is not an origin, which has no trailing slash: write {text[:-1]}")
    return _match(_ORIGIN, "an origin such as https://app.example.org", text).lower()


def _plain(text: str) -> str:
    if len(text) > 4096 or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ValueError("a value is one line of at most 4096 characters, without control characters")
    return text


def _within_a_day(seconds: int) -> int:
    if seconds > 86400:
        raise ValueError("at most 1d")
    return seconds


def _listen(value: object) -> str:
    """A port, or address:port, as the latter."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"127.0.0.1:{value}"
    address, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    try:
        found = ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        found = None
    bracketed = address.startswith("[") and address.endswith("]") and "%" not in address
    if found is None or bracketed != (found.version == 6) or not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError(f"{shown(value)} is not a port such as 10300, or an address and port such as 192.0.2.7:10300")
    if not 1024 <= int(port) <= 65535:
        raise ValueError("a port from 1024 to 65535: autostart, which listens there, is not root")
    return f"{address}:{int(port)}"


def _network(text: str) -> str:
    """As nginx takes it."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a network such as 10.0.0.0/8 or 192.0.2.7") from None
    if "/" in text and str(found) != text.lower():
        raise ValueError(f"{shown(text)} is not the network's own address: write {found}")
    if found.prefixlen == 0:
        raise ValueError(f"{shown(text)} is everybody: list the networks that need no password, such as 10.0.0.0/8")
    return str(found)


def _image(text: str) -> str:
    if len(text) > 512:
        raise ValueError("an image's name has at most 512 characters")
    return _match(_IMAGE, "an image with its tag or digest, such as ghcr.io/owner/name:1.2", text)


def _diarization(text: str) -> str:
    if text.startswith("/"):
        return _match(_PLACE, "a folder of the host such as /srv/models/diarization", text)
    return _match(_MODEL, "a model's name, such as pyannote/speaker-diarization-community-1, or a folder", text)


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        # What stands there may be the secret itself: it is not repeated.
        raise ValueError("not a reference; write env:NAME, file:path or command:program, never the secret itself")
    return text


def _webhook(text: str) -> str:
    if not _REFERENCE.fullmatch(text) and not _WEBHOOK.fullmatch(text):
        # Its path may be a secret.
        raise ValueError("not an address that begins with https://, nor a reference such as env:WEBHOOK to one")
    return text


def _address(text: str) -> str:
    return _match(_WEBHOOK, "an address that begins with https:// or http://", text).rstrip("/")


def _pattern(pattern: re.Pattern[str], says: str) -> Any:
    return AfterValidator(partial(_match, pattern, says))


def _shape(*patterns: re.Pattern[str]) -> Any:
    """What an editor holds a value against, before `check` does."""
    return Field(json_schema_extra={"pattern": "|".join(f"^({pattern.pattern})$" for pattern in patterns)})


def _written(show: Callable[[int], str]) -> Any:
    """The JSON Schema's default as it is written in the file: 500M, not 524288000."""

    def extra(schema: dict[str, Any]) -> None:
        if isinstance(schema.get("default"), int):
            schema["default"] = show(schema["default"])

    return Field(json_schema_extra=extra)


Name = Annotated[str, _pattern(_NAME, "a name: small letters, digits and hyphens, a letter first"), _shape(_NAME)]
Acme = Annotated[str, _pattern(_URL, "an address such as https://acme.example.org/directory"), _shape(_URL)]
Profile = Annotated[str, _pattern(_PROFILE, "a profile's name, such as shortlived"), _shape(_PROFILE)]
Address = Annotated[str, _pattern(_ADDRESS, "an address or a name from ~/.ssh/config"), _shape(_ADDRESS)]
User = Annotated[str, _pattern(_USER, "a user name"), _shape(_USER)]
Zone = Annotated[str, _pattern(_ZONE, "a time zone such as Europe/Paris"), _shape(_ZONE)]
Origin = Annotated[str, AfterValidator(_origin), _shape(_ORIGIN)]
Hostname = Annotated[str, AfterValidator(_hostname), _shape(_NAMED)]
Port = Annotated[int, Field(ge=1, le=65535)]
Listen = Annotated[
    str,
    BeforeValidator(_listen),
    Schema({"type": ["integer", "string"], "examples": [10300, "192.0.2.7:10300"]}),
]
Variable = Annotated[str, _pattern(VARIABLE, "the name of an environment variable"), _shape(VARIABLE)]
Plain = Annotated[str, AfterValidator(_plain)]
Model = Annotated[str, _pattern(_MODEL, "a model's name, such as Systran/faster-whisper-small"), _shape(_MODEL)]
Diarization = Annotated[str, AfterValidator(_diarization), _shape(_MODEL, _PLACE)]
Language = Annotated[str, _pattern(_LANGUAGE, "a language, such as fr"), _shape(_LANGUAGE)]
ComputeType = Annotated[
    str, _pattern(_COMPUTE_TYPE, "a number format, such as int8 or int8_float16"), _shape(_COMPUTE_TYPE)
]
Image = Annotated[str, AfterValidator(_image), _shape(_IMAGE)]
Network = Annotated[str, AfterValidator(_network), Schema({"type": "string", "format": "ip-network"})]
UrlPath = Annotated[str, _pattern(_URL_PATH, "a path such as /health"), _shape(_URL_PATH)]
Folder = Annotated[str, _pattern(_FOLDER, "a folder such as /data"), _shape(_FOLDER)]
WebAddress = Annotated[str, AfterValidator(_address), _shape(_WEBHOOK)]
Webhook = Annotated[str, AfterValidator(_webhook), _shape(_REFERENCE, _WEBHOOK)]
Mail = Annotated[str, _pattern(_MAIL, "an address such as ops@example.org"), _shape(_MAIL)]
Relay = Annotated[str, _pattern(_RELAY, "a mail server such as smtp.example.org, or with its port"), _shape(_RELAY)]
SecretText = Annotated[str, AfterValidator(_reference), _shape(_REFERENCE)]
_SIZE = {"type": "string", "pattern": "^0*[1-9][0-9]*[kKmMgGtT]$", "examples": ["500M"]}
_TIME = {"type": "string", "pattern": "^0*[1-9][0-9]*[smhdSMHD]$", "examples": ["30s"]}
_KEPT = {"type": "string", "pattern": "^(0*[1-9][0-9]*[smhdSMHD]|never)$", "examples": ["7d"]}
_KEPT_LONG = {"type": "string", "pattern": "^(0*[1-9][0-9]*[smhdSMHD]|forever)$", "examples": ["90d"]}
_IDLE = {"type": "string", "pattern": "^(0*[1-9][0-9]*[smhdSMHD]|never)$", "examples": ["15m"]}
Size = Annotated[int, BeforeValidator(quantities.size), Schema(_SIZE), _written(quantities.show_size)]
Duration = Annotated[int, BeforeValidator(quantities.duration), Schema(_TIME), _written(quantities.show_duration)]
Start = Annotated[Duration, AfterValidator(_within_a_day)]
Kept = Annotated[int, BeforeValidator(quantities.kept), Schema(_KEPT), _written(quantities.show_duration)]
KeptLong = Annotated[int, BeforeValidator(quantities.kept_long), Schema(_KEPT_LONG), _written(quantities.show_duration)]
Idle = Annotated[int, BeforeValidator(quantities.idle), Schema(_IDLE), _written(quantities.show_duration)]
