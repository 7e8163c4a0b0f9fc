"""What an inventory means: hosts and services with every default filled in."""

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from deploy.config.catalog import Autostart, Kind, Own
from deploy.types import Layout, Reference, Runtime

SECOND = 1000
"""Added to the port of a service: there a release starts beside the one that serves."""

WYOMING = 300
"""Added to the port of a service: there it speaks Wyoming, with autostart alone."""

TORCH_INDEX = {"cpu": "https://download.pytorch.org/whl/cpu", "cuda": "https://download.pytorch.org/whl/cu126"}
"""PyTorch's own package indexes, by device. Of its builds for CUDA that for 12, whose libraries CTranslate2 needs."""

_EXAMPLES = (".example", ".invalid", "example.com", "example.net", "example.org", "your.domain")
"""Domains that nobody can own (RFC 2606, RFC 6761), and the one that the documentation writes."""
_PRIVATE = ("localhost", "local", "internal", "home.arpa")
"""Domains of the machine's or the network's own (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`)."""


@dataclass(frozen=True)
class Paths:
    """What of a service is asked by the kit and by monitors. `quiet` ones never wake it; a deploy asks `probe`."""

    health: str
    ready: str
    quiet: tuple[str, ...]
    probe: str


@dataclass(frozen=True)
class SideModel:
    """A model that a service needs beside those that transcribe."""

    name: str
    patterns: tuple[str, ...]
    gated: bool = False
    """The hub gives it only to those who have accepted its terms."""
    spare: bool = False
    """The service does without it where the hub does not give it."""


@dataclass(frozen=True)
class Torch:
    """PyTorch as one service needs it: its version, and the index that has it for the service's device."""

    version: str
    index: str
    cpu: bool


@dataclass(frozen=True)
class Diarizer:
    """How speakers are told apart. `model` is a name of the hub's, or an absolute folder of the host."""

    name: str
    model: str

    @property
    def folder(self) -> str:
        return self.model if self.model.startswith("/") else ""


@dataclass(frozen=True)
class JobsStack:
    """A queue of recordings. Times are seconds; keep_transcripts 0: for ever. `queue`: in a database that several
    services share; empty where they share none."""

    pending: int
    per_user: int
    keep_audio: int
    keep_transcripts: int
    webhook: str
    address: str
    queue: str


@dataclass(frozen=True)
class ServiceStack:
    """A service with nothing left to decide. Sizes are bytes, times seconds."""

    name: str
    kind: Kind
    hostname: str
    port: int
    container_port: int
    image: str
    image_from: Literal["host", "laptop", "registry"]
    """Where it is built, or that it is pulled."""
    paths: Paths
    volumes: tuple[tuple[str, str], ...]
    """(name, folder in the container) of the data that is the operator's to name."""
    model: str
    """Empty for what is not the kit's own, and so are `models` and `compute_type`."""
    models: tuple[str, ...]
    """Others beside `model`."""
    side_models: tuple[SideModel, ...]
    diarizer: Diarizer | None
    """None where the kind has none that is gated."""
    alignment: tuple[tuple[str, str], ...]
    """(language, model) of the models that align words."""
    torch: Torch | None
    """None where its lock has all that it needs."""
    device: str
    compute_type: str
    upload_limit: int
    read_timeout: int
    idle: int
    start_timeout: int
    drain_timeout: int
    stop_timeout: int
    memory: int
    timezone: str
    environment: tuple[tuple[str, str], ...]
    secrets: tuple[tuple[str, Reference], ...]
    """In its environment."""
    tokens: tuple[tuple[str, Reference], ...]
    """What the inventory says among its secrets, and a deploy alone needs: they open gated models at the hub."""
    portal_path: str
    """`/whisper`, or empty where the portal does not carry the service."""
    second_port: int = 0
    """Where another release of it can run at the same time; 0 where none can."""
    second: bool = False
    """It runs there, in a container of another name."""
    wyoming: tuple[str, int] | None = None
    """(address, port) where autostart listens for Home Assistant; None: nowhere."""
    jobs: JobsStack | None = None
    """None where it keeps none."""
    open_to: tuple[str, ...] = ()
    """Networks whose clients need no password at its own host name."""
    wyoming_port: int = 0
    """Of the service, on 127.0.0.1, for what comes there; 0 where nothing does."""

    @property
    def exposed(self) -> str:
        """Where it is reached without a password from elsewhere than the host itself; empty where nowhere."""
        if not self.wyoming or ipaddress.ip_address(self.wyoming[0]).is_loopback:
            return ""
        return f"{self.wyoming[0]} port {self.wyoming[1]}"

    @property
    def hold(self) -> int:
        """Seconds that a request may wait for it: for what it has to end, for its stop, and for its start."""
        return self.drain_timeout + self.stop_timeout + self.start_timeout

    @property
    def all_models(self) -> tuple[str, ...]:
        """All that lies in the models folder for it."""
        speech = (self.model, *self.models) if self.model else ()
        return (*speech, *(side.name for side in self.side_models))

    @property
    def build_arguments(self) -> tuple[tuple[str, str], ...]:
        """What its image is built with."""
        return (("TORCH", self.torch.version), ("TORCH_INDEX", self.torch.index)) if self.torch else ()

    @property
    def profile(self) -> str:
        """Compose profile of a kind that is off unless asked for; empty for others."""
        return self.kind.name if self.kind.manifest.optional else ""

    @property
    def own(self) -> Own | None:
        """Its manifest, where it is a kind of the kit's."""
        manifest = self.kind.manifest
        return manifest if isinstance(manifest, Own) else None


@dataclass(frozen=True)
class TlsStack:
    """`certificate` and `key` are set for mode `files` only."""

    mode: str
    email: str
    server: str
    staging: bool
    profile: str
    certificate: str
    key: Reference | None


@dataclass(frozen=True)
class NotifyStack:
    """Whom to tell, and how; `webhook` and `mail` are empty where that way is not taken."""

    webhook: str | Reference
    mail: str
    sender: str
    server: str
    port: int
    user: str
    password: Reference | None

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(value for value in (self.webhook, self.password) if isinstance(value, Reference))


@dataclass(frozen=True)
class HostStack:
    """One host and what runs on it."""

    name: str
    address: str
    user: str
    ssh_port: int
    domain: str
    runtime: Runtime
    tls: TlsStack
    cors_origins: tuple[str, ...]
    request_rate: int
    portal: str
    """Host name of the portal, empty where there is none on this host."""
    services: tuple[ServiceStack, ...]
    layout: Layout
    autostart: Autostart
    notify: NotifyStack | None = None
    """None: nobody is told of anything."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every host name that nginx answers to."""
        portal = (self.portal,) if self.portal else ()
        return (*portal, *(s.hostname for s in self.services))

    def seen(self, nginx_version: tuple[int, ...], workers: str = "", *, ipv6: bool = True) -> "HostStack":
        """The same with what was seen of the host: its nginx, the group of that's workers where it is known, and
        whether there is IPv6."""
        layout = replace(self.layout, nginx_version=nginx_version, www=workers or self.layout.www)
        if not ipv6:
            layout = replace(layout, addresses=tuple(a for a in layout.addresses if not a.startswith("[")))
        return replace(self, layout=layout)

    def in_second_slots(self, names: Collection[str]) -> "HostStack":
        """The same with these services at their second ports, as far as they have one, and not at their first."""
        return replace(
            self,
            services=tuple(
                replace(
                    s,
                    port=s.second_port,
                    second_port=s.port,
                    second=True,
                    wyoming_port=s.wyoming_port and s.wyoming_port + s.second_port - s.port,
                )
                if s.name in names and s.second_port
                else s
                for s in self.services
            ),
        )

    def base_url(self, service: ServiceStack) -> str:
        """What an OpenAI client takes as base_url: below the portal where that carries the service. Of somebody
        else's container, its address."""
        if service.own and service.portal_path:
            return f"{self.layout.origin(self.portal)}{service.portal_path}/v1"
        return self.own_url(service)

    def key_url(self, service: ServiceStack, key: str) -> str:
        """The base URL that carries a key."""
        return f"{self.layout.origin(service.hostname)}/k/{key}"

    def own_url(self, service: ServiceStack) -> str:
        """The same at the service's own host name."""
        return self.layout.origin(service.hostname) + ("/v1" if service.own else "")


@dataclass(frozen=True)
class Stack:
    """What the inventory means."""

    hosts: tuple[HostStack, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every secret that a deploy needs."""
        found: dict[Reference, None] = {}
        for host in self.hosts:
            if host.tls.key:
                found[host.tls.key] = None
            found |= dict.fromkeys(host.notify.references if host.notify else ())
            for service in host.services:
                found |= dict.fromkeys(reference for _, reference in (*service.secrets, *service.tokens))
        return tuple(found)


def example_domains(host: HostStack) -> list[str]:
    """Host names below a reserved example domain: nothing can be deployed there."""
    return [name for name in host.names if _below(name, _EXAMPLES)]


def private_names(host: HostStack) -> list[str]:
    """Host names for which Let's Encrypt is asked in vain. Another authority may know them."""
    if host.tls.mode != "letsencrypt" or host.tls.server:
        return []
    private = _PRIVATE if "." in host.domain else (*_PRIVATE, host.domain)
    return [name for name in host.names if "." not in name or _below(name, private)]


def _below(name: str, domains: Iterable[str]) -> bool:
    """Whether a name is one of the domains or below it; below only, where that begins with a dot."""
    return any(name == e.lstrip(".") or name.endswith(e if e[0] == "." else f".{e}") for e in domains)
