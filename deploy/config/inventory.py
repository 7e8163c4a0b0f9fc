"""What the operator wrote: inventory.yml as pydantic models, with errors that point at file:line:column."""

import copy
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from deploy.config import suggestions
from deploy.config.fields import (
    VARIABLE,
    Acme,
    Address,
    ComputeType,
    Diarization,
    Duration,
    Folder,
    Hostname,
    Idle,
    Image,
    Language,
    Listen,
    Mail,
    Model,
    Name,
    Origin,
    Plain,
    Port,
    Profile,
    Relay,
    SecretText,
    Size,
    Start,
    UrlPath,
    User,
    Variable,
    Webhook,
    Zone,
)
from deploy.config.quoting import shown
from deploy.config.source import Key, Source, read
from deploy.errors import InventoryError, Problem


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _something(cls, value: object) -> object:
        """A key with nothing behind it says neither what is wanted nor that the default is: no key may stand so.
        None is what the code calls a key that is not written."""
        if value is None:
            raise PydanticCustomError("empty", "is empty")
        return value


class Tls(_Part):
    """Where the certificate comes from."""

    mode: Literal["letsencrypt", "internal", "files"] = Field(
        "letsencrypt",
        description="`letsencrypt`: certbot obtains and renews it. `internal`: issued by the host's own authority, "
        "for test hosts and private networks. `files`: a certificate you provide.",
    )
    email: Mail | None = Field(
        None,
        description="Email address of your account at the authority. Let's Encrypt no longer sends reminders; "
        "`notify` does.",
    )
    server: Acme | None = Field(None, description="Directory URL of another ACME authority. Default: Let's Encrypt's.")
    staging: bool = Field(False, description="Use Let's Encrypt's test certificates while you try things out.")
    profile: Profile | None = Field(
        None,
        description="Certificate profile to request: at Let's Encrypt, `shortlived` lasts six days. Needs certbot 4 "
        "on the host. Default: the authority's own.",
    )
    certificate: Plain | None = Field(
        None, description="For `files`: path of the certificate chain (PEM) on your machine."
    )
    key: SecretText | None = Field(
        None, description="For `files`: reference to its private key, such as file:tls/key.pem."
    )


class Host(_Part):
    """A machine that services run on."""

    address: Address | None = Field(
        None, description="Address of the host, or its name in ~/.ssh/config. Default: `domain`."
    )
    user: User | None = Field(
        None, description="SSH user; any user but root needs sudo. Default: from ~/.ssh/config, else root."
    )
    port: Port | None = Field(None, description="SSH port. Default: from ~/.ssh/config, else 22.")
    domain: Hostname | None = Field(
        None,
        description="Services answer at <name>.<domain>. Required, except with `runtime: process`, where it is "
        "localhost.",
    )
    timezone: Zone = Field("UTC", description="Time zone of the services' logs.")
    runtime: Literal["compose", "process"] = Field(
        "compose",
        description="`compose`: Docker on a host reached by SSH. `process`: this machine, without Docker.",
    )
    build: Literal["host", "laptop"] = Field(
        "host",
        description="Where images of Greffier's own kinds are built. `laptop`: by Docker on your machine, then sent "
        "over the SSH connection; for hosts that are small or reach no package index.",
    )
    tls: Tls = Field(default_factory=lambda: Tls.model_validate({}), description="Where the certificate comes from.")
    cors_origins: list[Origin] = Field(
        default_factory=list,
        description="Other origins whose pages may call the services, including those of apps and browser extensions "
        "(`tauri://localhost`, `app://obsidian.md`). The portal's origin is always allowed.",
    )
    request_rate: Annotated[int, Field(ge=1, le=100_000)] = Field(
        50,
        description="Requests per second from one client address. Bursts of twice as many pass; more get 429.",
    )


class Service(_Part):
    """A service on one of the hosts: one of Greffier's kinds, or any container."""

    kind: Plain = Field(description="Kind of service: the name of a folder in services/.")
    host: Name | None = Field(None, description="Host it runs on. Default: the only host.")
    hostname: Hostname | None = Field(
        None, description="Host name it answers at. Default: <service name>.<domain of its host>."
    )
    model: Model | None = Field(
        None,
        description="Model to load: its name on the hub, or a short name (`base`, `large-v3-turbo`). Default: the "
        "kind's own.",
    )
    models: list[Model] = Field(
        default_factory=list,
        description="More models that requests may name. Each is loaded at the first such request; when `memory` "
        "runs short, the least recently used is unloaded.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where the model runs; `cuda` reserves a GPU.")
    compute_type: ComputeType | None = Field(
        None, description="Number format for inference. Default: int8 on cpu, float16 on cuda."
    )
    diarizer: Literal["auto", "open", "pyannote"] | None = Field(
        None,
        description="How it tells speakers apart. `open`: with models that need no account. `pyannote`: with "
        "`diarization_model`, whose terms you accept at the hub; needs the secret HF_TOKEN. `auto`: `pyannote` if "
        "that secret gives access, else `open` (kind pytorch: no diarization). Default: `auto`.",
    )
    diarization_model: Diarization | None = Field(
        None,
        description="For `pyannote`: pyannote/speaker-diarization-community-1, pyannote/speaker-diarization-3.1, or, "
        "for hosts that reach no hub, the absolute path of a folder on the host with the model. Default: "
        "pyannote/speaker-diarization-community-1.",
    )
    alignment: dict[Language, Model] = Field(
        default_factory=dict,
        max_length=100,
        description="Hub models (wav2vec2 with CTC) for exact word times, by language, such as `fr: "
        "jonatasgrosman/wav2vec2-large-xlsr-53-french`. Without one, pocketsphinx aligns English, and Whisper's own "
        "attention other languages.",
    )
    port: Port | None = Field(
        None,
        description="Port on the host's 127.0.0.1. Default: the kind's own, or the next one that no other service "
        "uses.",
    )
    wyoming: Listen | None = Field(
        None,
        description="Where it speaks the Wyoming protocol for Home Assistant: a port on 127.0.0.1, or address:port. "
        "The protocol has no password: anyone who reaches the address may use the service. Default: nowhere.",
    )
    image: Image | None = Field(
        None,
        description="Image to pull, by tag or digest; required for `container`. A tag is pulled once: to update, "
        "write another tag, or the digest (`name:tag@sha256:…` has both). Default: Greffier builds the images of its "
        "own kinds.",
    )
    container_port: Port | None = Field(
        None, description="`container` only, required: the port the container listens on."
    )
    health: UrlPath | None = Field(
        None,
        description="`container` only: path that answers 2xx when the service is ready. Requests to it never wake "
        "the service, so choose one that people do not use. Default: /health.",
    )
    volumes: dict[Name, Folder] = Field(
        default_factory=dict,
        description="`container` only: Docker volumes by name, each with its mount point, such as `data: "
        "/var/lib/app`. They outlive the container; `destroy --volumes` removes them.",
    )
    upload_limit: Size = Field(500 << 20, description="Largest accepted upload; larger ones get 413.")
    read_timeout: Duration = Field(600, description="How long nginx waits for more of the answer.")
    idle: Idle = Field(
        900, description="Time without a request after which it is put to sleep; `never` keeps it awake."
    )
    start_timeout: Start = Field(30, description="How long waking may take before it counts as failed.")
    drain_timeout: Start = Field(
        300,
        description="How long requests in flight may take to finish before a restart or a new release stops it. "
        "After that, websockets are closed (code 1012) and other requests get 503 and can be retried.",
    )
    memory: Size | None = Field(
        None, description="Memory limit. Default: what the largest of its models needs, as its kind says."
    )
    environment: dict[Variable, Plain] = Field(
        default_factory=dict, description="Additional environment variables. Not for secrets: plans show the values."
    )
    secrets: dict[Variable, SecretText] = Field(
        default_factory=dict,
        description="Environment variables with secrets, as references: env:NAME, file:path or command:program. "
        "HF_TOKEN, the token of the model hub, is for the deploy alone: none of the kit's services gets it.",
    )
    enabled: bool | None = Field(
        None,
        description="`false`: it does not run, and only its data stays on the host. Default: `true`, and `false` for "
        "`pytorch`.",
    )


class Portal(_Part):
    """The page that lists the services, and their second address (<portal>/<service name>/…)."""

    enabled: bool = Field(True, description="`false`: services answer at their own host names only.")
    hostname: Hostname | None = Field(
        None, description="Host name of the portal. Default: portal.<domain>, or localhost with `runtime: process`."
    )


class Notify(_Part):
    """Where hosts report expiring certificates, failed services and deploys that were rolled back."""

    webhook: Webhook | None = Field(
        None,
        description="URL that gets a POST with JSON, with the message in `text` and `content`. It is often a secret, "
        "so it may be a reference: env:WEBHOOK.",
    )
    mail: Mail | None = Field(None, description="Address to send mail to; needs `server`.")
    server: Relay | None = Field(
        None, description="Mail server, host or host:port: 587 with STARTTLS, or 465. Default: port 587."
    )
    sender: Mail | None = Field(None, description="Sender address. Default: that of `mail`.")
    user: Plain | None = Field(None, description="User name at the mail server. Default: no login.")
    password: SecretText | None = Field(
        None, description="Reference to that user's password, such as env:SMTP_PASSWORD."
    )


class Inventory(_Part):
    """The whole of inventory.yml."""

    hosts: dict[Name, Host] = Field(min_length=1, description="The hosts, by a name of your choice.")
    services: dict[Name, Service] = Field(default_factory=dict, description="The services, by name.")
    portal: Portal = Field(
        default_factory=lambda: Portal.model_validate({}), description="The page that lists the services."
    )
    notify: Notify | None = Field(None, description="Where hosts report problems. Default: nowhere.")


def load(path: Path) -> tuple[Inventory, list[Problem], Source]:
    """Read an inventory. Raises KitError when it cannot be read as one at all."""
    source = read(path)
    return *validate(source), source


def validate(source: Source) -> tuple[Inventory, list[Problem]]:
    """What is right of a parsed file, and what is wrong with the rest: so that what follows can be checked as
    well, and everything is told at once. Raises InventoryError when nothing can be made of it."""
    problems: list[Problem] = []
    pruned: set[tuple[Key, ...]] = set()
    data = copy.deepcopy(source.data)
    while True:
        try:
            return Inventory.model_validate(data), problems
        except ValidationError as error:
            found: list[dict[str, Any]] = [dict(e) for e in error.errors()]
        # What is missing only since it was taken out, or is there under a wrong name, has been told already.
        told = [any(p[: len(e["loc"])] == e["loc"] for p in pruned) or _misnamed(source, e) for e in found]
        problems += [_problem(source, e) for e, known in zip(found, told, strict=True) if not known]
        out = [_prune(data, e) for e in found]
        if not all(out) or pruned.issuperset(out):
            raise InventoryError(problems)
        pruned |= set(out)


def _prune(data: Any, error: dict[str, Any]) -> tuple[Key, ...]:
    """Take out what is wrong: the key itself, what lacks a key, or the list it stands in. Returns its path."""
    keys = [key for key in error["loc"] if key != "[key]"]
    if error["type"] == "missing":
        keys.pop()
    for depth, key in enumerate(keys, 1):
        inside = data.get(key)
        if depth == len(keys) or not isinstance(inside, dict):
            data.pop(key, None)
            return tuple(keys[:depth])
        data = inside
    return ()


def written(source: Source, keys: Sequence[Key]) -> bool:
    """Whether a key stands in the file, right or wrong, or one that was meant to be it: what is said of it, its own
    mistake says."""
    *parents, key = keys
    there: Any = source.data
    for parent in parents:
        there = there.get(parent) if isinstance(there, dict) else None
    known = _fields_at(list(parents))
    others = [other for other in there if other not in known] if isinstance(there, dict) else []
    return tuple(keys) in source.places or any(_close(other, known) == key for other in others)


def _misnamed(source: Source, error: dict[str, Any]) -> bool:
    return error["type"] == "missing" and written(source, error["loc"])


def _close(key: Key, known: list[str]) -> str:
    return "".join(difflib.get_close_matches(str(key), known, 1, 0.5))


def _problem(source: Source, error: dict[str, Any]) -> Problem:
    keys: list[Key] = [key for key in error["loc"] if key != "[key]"]
    place = source.place(keys)
    kind = error["type"]
    if (
        keys[2:3] == ["secrets"]
        or keys[2:4] == ["tls", "key"]
        or keys[:2] in (["notify", "password"], ["notify", "webhook"])
    ):
        return Problem(place, _of_secret(keys, error))
    where = ".".join(map(str, keys)) or "the file"
    if kind == "extra_forbidden":
        known = _fields_at(keys[:-1])
        close = _close(keys[-1], known)
        hint = f"did you mean {close!r}?" if close else f"known here: {', '.join(known)}"
        return Problem(place, f"unknown key {shown(keys[-1])}", hint)
    if kind == "missing":
        return Problem(place, f"{where} is missing", suggestions.missing(keys))
    value = error["input"]
    if value is None:
        return Problem(place, f"{where} is empty", suggestions.empty(keys))
    said = source.shown(keys, value)
    if kind == "value_error":
        # What a value's form says begins with the value, as Python has it.
        message, begin = str(error["ctx"]["error"]), shown(value)
        message = said + message.removeprefix(begin) if message.startswith(begin) else message
        return Problem(place, f"{where}: {message}")
    if kind == "literal_error":
        choices = error["ctx"]["expected"]
        return Problem(
            place, f"{where}: {said} is not one of {choices}", suggestions.chosen(keys, value, choices.split("'")[1::2])
        )
    if kind == "too_short":
        return Problem(place, f"{where}: at least one is needed")
    if kind in _TYPES:
        return Problem(place, f"{where}: {said} is not {_TYPES[kind]}", _instead(kind, keys, value))
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return Problem(place, f"{where}: {said} is {word} {error['ctx'][bound]}")
    return Problem(place, f"{where}: {said}: {error['msg'][:1].lower()}{error['msg'][1:]}")


def _instead(kind: str, keys: list[Key], value: object) -> str:
    """What to write in place of a value of another kind."""
    if kind in ("dict_type", "model_type"):
        return suggestions.mapping(keys, value)
    return suggestions.listed(keys, value) if kind == "list_type" else suggestions.plain(value, kind)


def _of_secret(keys: list[Key], error: dict[str, Any]) -> str:
    """What is wrong with a secret. Whatever stands there may be the secret itself: it is not repeated."""
    if "[key]" in error["loc"]:
        return f"{'.'.join(map(str, keys[:-1]))}: a key there is not the name of an environment variable"
    named = [str(key) for key in keys[:4] if VARIABLE.fullmatch(str(key))]
    where = ".".join(named)
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    if error["input"] is None:
        return f"{where} is empty"
    return f"{where}: not {_TYPES['dict_type'] if keys[-1] == 'secrets' else 'a reference such as env:NAME'}"


_BOUNDS = {
    "less_than_equal": ("too large: at most", "le"),
    "greater_than_equal": ("too small: at least", "ge"),
    "greater_than": ("too small: more than", "gt"),
}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "model_type": "a mapping of keys to values",
}


def _fields_at(keys: list[Key]) -> list[str]:
    """Keys that the models know at this path."""
    model: Any = Inventory
    named = False
    for key in keys:
        if named:  # a name of the operator's choice, whatever it is
            named = False
            continue
        annotation = model.model_fields[key].annotation
        named = get_origin(annotation) is dict
        options = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not options:  # names and plain values
            return []
        model = options[0]
    return list(model.model_fields)
