"""What the operator wrote: inventory.yml as pydantic models, with errors that point at file:line:column."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from deploy.config.fields import (
    Acme,
    Address,
    ComputeType,
    Diarization,
    Duration,
    Folder,
    Hostname,
    Idle,
    Image,
    Kept,
    KeptLong,
    Language,
    Listen,
    Mail,
    Model,
    Name,
    Network,
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
    WebAddress,
    Webhook,
    Zone,
)


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


class Jobs(_Part):
    """Recordings that are handed in, queued, and looked up later; see docs/jobs.md."""

    enabled: bool = Field(
        True, description="`true`: it takes jobs too. `false`: it keeps nothing, and only answers at once."
    )
    pending: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1000, description="Jobs that may wait or be processed at once; one more gets 429."
    )
    per_user: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="The same for each `user_uuid`; 0: any number."
    )
    keep_audio: Kept = Field(
        0,
        description="How long a recording is kept after its job is done; `never` deletes it at once. Default: `never`.",
    )
    keep_transcripts: KeptLong = Field(
        30 * 86400,
        description="How long a finished job and its transcript are kept; `forever` never deletes them. "
        "Default: `30d`.",
    )
    webhook: WebAddress | None = Field(
        None, description="URL that is told of finished jobs that name no `callback_url`. Default: nowhere."
    )
    webhook_secret: SecretText | None = Field(
        None,
        description="Reference to the secret that webhooks are signed with, as `whsec_` and base64. Default: they are "
        "not signed.",
    )
    database: SecretText | None = Field(
        None,
        description="Reference to the URL of a PostgreSQL database, such as env:DATABASE_URL, in which services on "
        "several hosts share a queue. Default: SQLite on the host.",
    )
    queue: Name | None = Field(
        None,
        description="With `database`: name of the queue; services that name the same one share it. Default: the "
        "service's name.",
    )
    address: WebAddress | None = Field(
        None,
        description="With `database`: URL at which the other hosts reach this service's recordings. Default: its own "
        "https:// address.",
    )
    key: SecretText | None = Field(
        None,
        description="With `database`: reference to a secret that the hosts have in common, to ask each other for "
        "recordings.",
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
    open_to: list[Network] = Field(
        default_factory=list,
        max_length=64,
        description="Networks, such as 10.0.0.0/8, whose clients need no password at the service's own host name: for "
        "a telephone system or a camera that can send none. Anyone there may use the service. Default: none.",
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
    jobs: Jobs = Field(
        default_factory=lambda: Jobs.model_validate({}),
        description="Greffier's own kinds only: recordings that are handed in, queued, and looked up later.",
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
