"""Values that pass between the rooms of the house."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Runtime = Literal["compose", "process"]


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is found: `env:NAME`, `file:path` or `command:program arguments`."""

    scheme: Literal["env", "file", "command"]
    argument: str
    place: str = field(default="", compare=False)
    """file:line:column of the inventory, for the error when it resolves to nothing."""

    def __str__(self) -> str:
        return f"{self.scheme}:{self.argument}"


class Secret:
    """A resolved secret; prints as `***` wherever it might be printed."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie on a host and which ports they take: half of what tells a VPS from a laptop."""

    runtime: Runtime
    etc: str
    opt: str
    var: str
    run: str
    log: str
    models: str
    nginx_conf: str
    nginx_main: str
    """Path of our own nginx.conf; empty where the distribution's own one includes `nginx_conf`."""
    nginx_access: str
    nginx_errors: str
    """Where nginx logs requests, and what went wrong."""
    nginx_user: str
    """`user` line of our own nginx.conf ("name group"); empty where nginx cannot or need not change user."""
    nginx_version: tuple[int, ...]
    """What the host's nginx says it is; empty where it was not asked, and then the files are for any version."""
    addresses: tuple[str, ...]
    http_port: int
    https_port: int
    autostart_port: int
    auth_port: int
    service_ports: tuple[tuple[str, int], ...]
    """(service, port) where the kind's own port is taken by another program."""
    root: str
    root_group: str
    """Owner of what is rendered."""
    group: str
    """Group that may read secrets (autostart's)."""
    www: str
    """Group that may read htpasswd (nginx's workers)."""

    @property
    def control(self) -> str:
        return f"{self.run}/autostart.sock"

    @property
    def htpasswd(self) -> str:
        return f"{self.etc}/htpasswd"

    @property
    def record(self) -> str:
        return f"{self.var}/.applied.json"

    @property
    def authority(self) -> str:
        """Certificate of the internal CA, for clients to trust."""
        return f"{self.etc}/tls/ca.pem"

    def origin(self, hostname: str) -> str:
        return f"https://{hostname}" + ("" if self.https_port == 443 else f":{self.https_port}")


@dataclass(frozen=True, slots=True)
class Effect:
    """What has to follow when a file changes."""

    verb: Literal["reload", "restart"]
    what: str

    def __str__(self) -> str:
        return f"{self.verb} {self.what}"


Part = str | Reference


@dataclass(frozen=True, slots=True)
class File:
    """One wanted file. Secrets stay references until apply writes it."""

    parts: tuple[Part, ...]
    mode: int
    owner: str
    group: str
    on_change: tuple[Effect, ...] = ()

    @property
    def text(self) -> str:
        """The content with each secret shown as its reference."""
        return "".join(p if isinstance(p, str) else f"<{p}>" for p in self.parts)

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(p for p in self.parts if isinstance(p, Reference))

    def content(self, secrets: Mapping[Reference, Secret]) -> str:
        return "".join(p if isinstance(p, str) else secrets[p].reveal() for p in self.parts)


Tree = Mapping[str, File]
"""What is wanted on one host: absolute path -> File, sorted by path."""


def digest(text: str | bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
