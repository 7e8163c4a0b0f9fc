"""What each kind of service needs: services/<kind>/service.yml -> Manifest.

What all of the kit's own kinds have in common stands once, in services/core/service-defaults.yml.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.functional_validators import BeforeValidator

from deploy import ROOT
from deploy.config import dockerfile as dockerfiles
from deploy.config import quantities
from deploy.config.image_digest import files, source_digest
from deploy.config.source import read
from deploy.errors import INVENTORY, KitError

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
    python: str | None = None
    """Of a package that has other wheels for every Python and platform: whose is taken, wherever it is fetched."""
    platform: str | None = None


class KnownModel(_Part):
    """A model that the kit pins itself."""

    memory: Size = 0
    """What a service needs to run with it; 0 where it is none that transcribes."""
    hub: bool = True
    """False: packages alone have it."""
    revision: str | None = None
    files: dict[str, Pinned]
    packages: dict[str, list[Member]] | None = None


class Diarization(_Part):
    """Models that tell speakers apart and that the hub gives to those who have accepted their terms."""

    default: str
    patterns: list[str]
    parts: dict[str, list[str]] = {}
    """Models that are made of others, which have terms of their own."""


class Named(_Part):
    """What people call a model: its name on the hub, and about how many bytes it has."""

    model: str
    size: int
    memory: Size = 0
    """What a service needs to run with it; 0: what the kind needs."""
    patterns: list[str] = []
    """Which files belong to it, where they are called otherwise than its kind's."""


class Models(_Part):
    default: str
    patterns: list[str]
    """Which files of a hub repository belong to a model of this kind. `a|b`: of these, what the first finds."""
    companions: list[str] = []
    """Models that it needs beside the one that transcribes; each is among the known."""
    diarization: Diarization | None = None
    alignment: list[str] = []
    """Which files belong to a model that aligns words; empty where it takes none."""
    names: dict[str, Named] = {}
    """Short names, by the name alone; of the kinds whose models it knows where it has none itself."""
    closed: bool = False
    """No model beside those that have a short name."""
    elsewhere: list[str] = []
    """Owners on the hub that have the same models in a form that this kind does not read."""
    known: dict[str, KnownModel] = {}
    """With those of the kinds whose models it knows."""


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
    jobs_dir: str
    jobs_queue: str
    jobs_pending: str
    jobs_per_user: str
    jobs_keep_audio: str
    jobs_keep_transcripts: str
    jobs_address: str
    jobs_key: str
    database: str
    webhook: str
    webhook_secret: str
    diarizer: str = ""
    """Empty, as the next, where the kind has no gated diarizer."""
    diarization_model: str = ""
    align_models: str = ""
    """Empty where the kind takes no models that align words."""


class Foreign(_Part):
    """A kind that is anybody's image: what it is, the inventory says."""

    own: Literal[False]
    optional: Literal[False] = False
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
    optional: bool = False
    """Off unless the inventory says `enabled: true`."""
    port: int
    models_of: list[str] = []
    """Kinds whose models it knows too."""
    torch: str = ""
    """Version of PyTorch, which its lock leaves out: the hashes differ by index."""
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
    beside: Size = 0
    """What it needs beside a model of another kind's."""
    disk: Size = 0
    """What building its image takes on the host, layers of the build included."""
    formats: list[str]
    """Of numbers: what `compute_type` may be."""
    compute_types: dict[Literal["cpu", "cuda"], str]
    """The usual one of each device."""
    settings: Settings
    models: Models


Manifest = Own | Foreign
_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Annotated[Manifest, Field(discriminator="own")])


@dataclass(frozen=True)
class Kind:
    """A manifest, the folder it came from, and what its image and its processes are made of."""

    name: str
    manifest: Manifest
    folder: Path
    copied: tuple[tuple[str, Path], ...]
    """(path below the repository, file or folder) of what its Dockerfile copies."""
    digest: str
    """Of its image: what the Dockerfile does and each byte that it copies."""
    code_digest: str
    """Of the source alone, which a process runs."""
    lock_digest: str
    openapi_text: str
    """The committed API description, shown while the service sleeps; empty where it has none."""

    @property
    def code(self) -> tuple[tuple[str, Path], ...]:
        """(path below services/, folder) of the source that it runs, in the order in which Python looks there."""
        return tuple((path.removeprefix("services/"), place) for path, place in self.copied if place.is_dir())

    @property
    def context(self) -> Iterator[tuple[str, Path]]:
        """(path below the repository, file) of all that Docker needs to build its image."""
        dockerfile = self.folder / "Dockerfile"
        for path, place in ((f"services/{self.name}/Dockerfile", dockerfile), *self.copied):
            yield from files(path, place)

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
    return Autostart(folder, source_digest(("src", folder / "src")), hashlib.sha256(lock).hexdigest())


def load(folder: Path = ROOT / "services") -> dict[str, Kind]:
    """Every kind there is. A manifest that is wrong is the kit's fault, and says so."""
    common = read(folder / "core" / "service-defaults.yml").data
    manifests = {path.parent.name: _manifest(path, common) for path in sorted(folder.glob("*/service.yml"))}
    return {name: _kind(folder, name, manifests) for name in manifests}


def _manifest(path: Path, common: Mapping[str, Any]) -> Manifest:
    written = read(path).data
    if written.get("own"):
        written = {**common, **written, "settings": {**common["settings"], **written.get("settings", {})}}
    try:
        return _MANIFEST.validate_python(written)
    except ValidationError as error:
        raise KitError(f"{path} is not a manifest: {error}", code=INVENTORY) from None


def _kind(services: Path, name: str, manifests: Mapping[str, Manifest]) -> Kind:
    manifest, folder = manifests[name], services / name
    dockerfile = ""
    if isinstance(manifest, Own):
        manifest = _knowing(manifest, [manifests[other] for other in manifest.models_of])
        dockerfile = (folder / "Dockerfile").read_text(encoding="utf-8")
    copied = tuple((one.source, services.parent / one.source) for one in dockerfiles.copied(dockerfile))
    lock, openapi = folder / "requirements.lock", folder / "openapi.json"
    return Kind(
        name,
        manifest,
        folder,
        copied,
        source_digest(*copied, doing="\n".join(dockerfiles.instructions(dockerfile))),
        source_digest(*(one for one in copied if one[1].is_dir())),
        hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else "",
        openapi.read_text(encoding="utf-8") if openapi.exists() else "",
    )


def _knowing(manifest: Own, others: Sequence[Manifest]) -> Own:
    """With the models that the other kinds know; its own entry wins."""
    known: dict[str, KnownModel] = {}
    for other in others:
        for name, model in other.models.known.items() if isinstance(other, Own) else ():
            more = manifest.beside if model.memory else 0
            known[name] = model.model_copy(update={"memory": model.memory + more})
    merged: dict[str, object] = {"known": known | manifest.models.known}
    for other in others if not manifest.models.names else ():
        if isinstance(other, Own):
            names = {
                name: named.model_copy(update={"memory": named.memory and named.memory + manifest.beside})
                for name, named in other.models.names.items()
            }
            merged |= {"names": names, "elsewhere": other.models.elsewhere}
    models = manifest.models.model_copy(update=merged)
    return manifest.model_copy(update={"models": models})
