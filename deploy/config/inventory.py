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
        description="`letsencrypt`: certbot asks for one and renews it. `internal`: an authority of the host's own, "
        "for test hosts and private networks. `files`: a certificate you bring.",
    )
    email: Plain | None = Field(
        None,
        description="Address of your account at the authority. Let's Encrypt sends no reminders any more: `notify` "
        "does.",
    )
    server: Acme | None = Field(None, description="Directory of another ACME authority. Default: Let's Encrypt's.")
    staging: bool = Field(False, description="Take Let's Encrypt's test certificates while trying things out.")
    profile: Profile | None = Field(
        None,
        description="Profile of the authority's to ask for: `shortlived` is six days at Let's Encrypt. Needs certbot 4 "
        "on the host. Default: the authority's own.",
    )
    certificate: Plain | None = Field(
        None, description="For `files`: path on this laptop of the certificate chain (PEM)."
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
        None, description="User to log in as; any but root needs sudo. Default: as ~/.ssh/config says, else root."
    )
    port: Port | None = Field(None, description="Port of its SSH server. Default: as ~/.ssh/config says, else 22.")
    domain: Hostname | None = Field(
        None,
        description="Services answer at <name>.<domain>. Required, but with `runtime: process`, where it is localhost.",
    )
    timezone: Zone = Field("UTC", description="Time zone of the services' logs.")
    runtime: Literal["compose", "process"] = Field(
        "compose",
        description="`compose`: Docker on a host reached by SSH. `process`: this machine, without Docker.",
    )
    build: Literal["host", "laptop"] = Field(
        "host",
        description="Where images of the kit's kinds are built. `laptop`: by this machine's Docker, then sent over the "
        "same connection; for a host that is small, or reaches no package index.",
    )
    tls: Tls = Field(default_factory=lambda: Tls.model_validate({}), description="Where the certificate comes from.")
    cors_origins: list[Origin] = Field(
        default_factory=list,
        description="Other web origins whose pages may call the services, those of apps and of browsers' extensions "
        "among them (`tauri://localhost`, `app://obsidian.md`). The portal's own is always allowed.",
    )
    request_rate: Annotated[int, Field(ge=1, le=100_000)] = Field(
        50,
        description="Requests a second that one client address may send; twice as many pass at once, more get 429.",
    )


class Service(_Part):
    """A service on one of the hosts: a kind of the kit's, or somebody else's container."""

    kind: Plain = Field(description="What it is: the name of a folder in services/.")
    host: Name | None = Field(None, description="Name of its host. Default: the only host there is.")
    hostname: Hostname | None = Field(
        None, description="Its own host name. Default: <service name>.<domain of its host>."
    )
    model: Model | None = Field(
        None,
        description="Model to load: as the hub has it, or as people call it (`base`, `large-v3-turbo`). "
        "Default: the kind's own.",
    )
    models: list[Model] = Field(
        default_factory=list,
        description="More models, which requests may name; loaded at the first such request, and put away, the least "
        "recently used first, when `memory` gets short.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where the model runs; `cuda` reserves a GPU.")
    compute_type: ComputeType | None = Field(
        None, description="Number format of the computation. Default: int8 on cpu, float16 on cuda."
    )
    diarizer: Literal["auto", "open", "pyannote"] | None = Field(
        None,
        description="How it tells speakers apart. `open`: by models that anybody may have. `pyannote`: by "
        "`diarization_model`, whose terms you accept at the hub; needs the secret HF_TOKEN. `auto`: by the latter "
        "where that secret opens it, else by the former (kind pytorch: not at all). Default: `auto`.",
    )
    diarization_model: Diarization | None = Field(
        None,
        description="For `pyannote`: pyannote/speaker-diarization-community-1, pyannote/speaker-diarization-3.1, or an "
        "absolute folder on the host that has the model, for hosts that reach no hub. Default: "
        "pyannote/speaker-diarization-community-1.",
    )
    alignment: dict[Language, Model] = Field(
        default_factory=dict,
        max_length=100,
        description="Models of the hub (wav2vec2 with CTC) that find the exact times of words, by language, such as "
        "`fr: jonatasgrosman/wav2vec2-large-xlsr-53-french`. Without one, English is aligned by pocketsphinx, and "
        "other languages by Whisper's own attention.",
    )
    port: Port | None = Field(
        None,
        description="Its port on 127.0.0.1 of the host. Default: the kind's own, or the next that is free of "
        "another service.",
    )
    wyoming: Listen | None = Field(
        None,
        description="Where Home Assistant reaches it, by the Wyoming protocol: a port of 127.0.0.1, or address:port. "
        "The protocol has no password: whoever reaches the address may use the service. Default: nowhere.",
    )
    image: Image | None = Field(
        None,
        description="Image to pull, by tag or by digest; required for `container`. A tag is pulled once: to update, "
        "write another tag, or the digest (`name:tag@sha256:…` says both). Default: the kit builds the image of its "
        "own kinds.",
    )
    container_port: Port | None = Field(
        None, description="`container` only, required: the port that the container listens on."
    )
    health: UrlPath | None = Field(
        None,
        description="`container` only: path that answers 2xx when it is ready. Asking it never wakes the service, so "
        "take none that people use. Default: /health.",
    )
    volumes: dict[Name, Folder] = Field(
        default_factory=dict,
        description="`container` only: Docker volumes by name, each with the folder where it is mounted, such as "
        "`data: /var/lib/app`. They outlive the container; `destroy --volumes` removes them.",
    )
    upload_limit: Size = Field(500 << 20, description="Largest upload that is taken; larger ones get 413.")
    read_timeout: Duration = Field(600, description="How long nginx waits for a part of the answer.")
    idle: Idle = Field(900, description="Put to sleep after this long without a request; `never` keeps it awake.")
    start_timeout: Start = Field(30, description="How long it may take to wake before that counts as failed.")
    drain_timeout: Start = Field(
        300,
        description="How long what it is answering may go on when it is to stop: for a restart, or for another "
        "release. Then websockets are closed (code 1012) and other requests get 503, to be sent again.",
    )
    memory: Size | None = Field(
        None, description="Memory it may use. Default: what the kind says the largest of its models needs."
    )
    environment: dict[Variable, Plain] = Field(
        default_factory=dict, description="More environment variables (no secrets: they are shown in plans)."
    )
    secrets: dict[Variable, SecretText] = Field(
        default_factory=dict,
        description="Environment variables with secrets, as references: env:NAME, file:path or command:program. "
        "HF_TOKEN, the token of the model hub, is for the deploy alone: none of the kit's services gets it.",
    )
    enabled: bool | None = Field(
        None,
        description="`false`: nothing of it runs, and nothing is kept on the host but its data. Default: `true`, and "
        "`false` for `pytorch`.",
    )


class Portal(_Part):
    """The page that lists the services, and their second address (<portal>/<service name>/…)."""

    enabled: bool = Field(True, description="`false`: the services answer at their own host names only.")
    hostname: Hostname | None = Field(
        None, description="Its host name. Default: portal.<domain>, or localhost with `runtime: process`."
    )


class Notify(_Part):
    """Whom the hosts tell when a certificate nears its end, a service fails, or a deploy is taken back."""

    webhook: Webhook | None = Field(
        None,
        description="Address that gets a POST with JSON, whose `text` and `content` are the sentence; or a reference "
        "to it, for it is often a secret: env:WEBHOOK.",
    )
    mail: Mail | None = Field(None, description="Address that gets a mail; needs `server`.")
    server: Relay | None = Field(
        None, description="Mail server that takes it, host or host:port: 587 with STARTTLS, or 465. Default: port 587."
    )
    sender: Mail | None = Field(None, description="Address that the mail is from. Default: that of `mail`.")
    user: Plain | None = Field(None, description="User of the mail server. Default: nobody logs in.")
    password: SecretText | None = Field(
        None, description="Reference to that user's password, such as env:SMTP_PASSWORD."
    )


class Inventory(_Part):
    """The whole of inventory.yml."""

    hosts: dict[Name, Host] = Field(min_length=1, description="The machines, by a name of your choice.")
    services: dict[Name, Service] = Field(default_factory=dict, description="The services, by name.")
    portal: Portal = Field(
        default_factory=lambda: Portal.model_validate({}), description="The page that lists the services."
    )
    notify: Notify | None = Field(
        None, description="Whom the hosts tell when something needs somebody. Default: nobody."
    )


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
        return Problem(place, f"{where} is missing")
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
