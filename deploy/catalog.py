"""What each kind of service needs: services/<kind>/service.yml -> Manifest."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.functional_validators import BeforeValidator

from deploy import ROOT, quantities
from deploy.errors import INVENTORY, KitError
from deploy.source import read

Size = Annotated[int, BeforeValidator(quantities.size)]
Duration = Annotated[int, BeforeValidator(quantities.duration)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Pinned(_Part):
    """One file of a model: its SHA-256 and size in bytes."""

    sha256: Digest
    size: int


class Member(_Part):
    """A file inside a package of the Python index; several are concatenated."""

    package: str
    version: str
    member: str


class KnownModel(_Part):
    """A model that the kit pins itself."""

    memory: Size
    """What a service needs to run with it."""
    revision: str | None = None
    files: dict[str, Pinned]
    packages: dict[str, list[Member]] | None = None


class Models(_Part):
    default: str
    patterns: list[str]
    """Which files of a hub repository belong to a model of this kind."""
    known: dict[str, KnownModel] = {}


class Settings(_Part):
    """Names of the environment variables that carry what the inventory says."""

    host: str
    port: str
    model: str
    models: str
    models_dir: str
    device: str
    compute_type: str
    upload_limit: str
    wyoming_host: str = ""
    """Empty, as the next, where the kind does not speak Wyoming."""
    wyoming_port: str = ""


class Foreign(_Part):
    """A kind that is anybody's image: what it is, the inventory says."""

    own: Literal[False]
    title: str
    summary: str
    port: int
    health: str
    stop_timeout: Duration
    memory: Size


class Own(_Part):
    """A kind of the kit's own code: it gets a path of the portal's origin."""

    own: Literal[True]
    title: str
    summary: str
    port: int
    module: str
    """Run as `python -m <module>`."""
    health: str
    ready: str
    quiet: list[str]
    """Paths that never wake the service and never count as use."""
    probe: str
    """Path that a deploy asks, woken, to see that the service answers."""
    stop_timeout: Duration
    memory: Size
    """What it needs with a model the kit does not know."""
    disk: Size = 0
    """What building its image takes on the host, layers of the build included."""
    compute_types: dict[Literal["cpu", "cuda"], str]
    settings: Settings
    secrets: list[str]
    """Secrets that it can use."""
    models: Models


Manifest = Own | Foreign
_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Annotated[Manifest, Field(discriminator="own")])


@dataclass(frozen=True)
class Kind:
    """A manifest, the folder it came from and the digest of everything its image is made of."""

    name: str
    manifest: Manifest
    folder: Path
    core: Path
    digest: str
    lock_digest: str
    openapi_text: str
    """The committed API description, shown while the service sleeps; empty where it has none."""

    @property
    def lock(self) -> Path:
        return self.folder / "requirements.lock"


@dataclass(frozen=True)
class Autostart:
    """The proxy: digests of its code and of its lock, and where they lie below a host's `opt`."""

    folder: Path
    digest: str
    lock_digest: str

    @property
    def release(self) -> str:
        return self.digest[:16]

    def code(self, opt: str) -> str:
        return f"{opt}/images/autostart-{self.release}"

    def environment(self, opt: str) -> str:
        return f"{opt}/environments/autostart-{self.lock_digest[:16]}"

    def python(self, opt: str) -> str:
        return f"{self.environment(opt)}/bin/python"


Catalog = Mapping[str, Kind]


def autostart(folder: Path = ROOT / "autostart") -> Autostart:
    """The proxy as this kit has it."""
    lock = (folder / "requirements.lock").read_bytes()
    return Autostart(folder, source_digest(folder), hashlib.sha256(lock).hexdigest())


def load(folder: Path = ROOT / "services") -> dict[str, Kind]:
    """Every kind there is. A manifest that is wrong is the kit's fault, and says so."""
    core = folder / "core"
    kinds = {}
    for path in sorted(folder.glob("*/service.yml")):
        try:
            manifest = _MANIFEST.validate_python(read(path).data)
        except ValidationError as error:
            raise KitError(f"{path} is not a manifest: {error}", code=INVENTORY) from None
        name = path.parent.name
        lock, openapi = path.parent / "requirements.lock", path.parent / "openapi.json"
        kinds[name] = Kind(
            name,
            manifest,
            path.parent,
            core,
            source_digest(path.parent, core),
            hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "",
            openapi.read_text() if openapi.exists() else "",
        )
    return kinds


def source_files(folder: Path) -> Iterator[Path]:
    """The files of a folder that a running service is made of, sorted: no tests, no caches."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not {"tests", "__pycache__"} & set(parts) and not parts[0].startswith("."):
            yield path


def source_digest(*folders: Path) -> str:
    """SHA-256 over names and contents: the image tag, so an unchanged service is never rebuilt."""
    total = hashlib.sha256()
    for folder in folders:
        for path in source_files(folder):
            total.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
