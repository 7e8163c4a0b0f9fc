"""What a host's apt knows and installs: Docker with Compose v2 and buildx from the distribution where it has them,
else from Docker's own repository, whose key the kit brings along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy import host as programs
from deploy.errors import HOST, KitError
from deploy.runtime import docker
from deploy.transport.connection import Lost
from deploy.transport.targets import Target, Writing

BASE = ("nginx", "certbot", "python3-venv", "ca-certificates")
DISTRIBUTIONS = ("docker.io", "docker-cli", "docker-compose-v2", "docker-compose", "docker-buildx")
ENGINE = ("docker-ce", "docker-ce-cli", "containerd.io")
COMPOSE = "docker-compose-plugin"
BUILDX = "docker-buildx-plugin"
KEY = Path(programs.__file__).with_name("docker.asc")
"""Docker's key for its packages: 9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88."""
KEYRING = "/etc/apt/keyrings/docker.asc"
SOURCE = "/etc/apt/sources.list.d/docker.sources"
WELCOME = "/etc/nginx/sites-available/default"
OLDEST = (20, 10)
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120")


def lacking(target: Target) -> tuple[list[str], list[str]]:
    """(packages to install, what was done for that, in sentences). What is there, from wherever it came, is left
    alone. Raises KitError where apt knows no Docker with Compose v2."""
    packages = [name for name in BASE if not _installed(target, name)]
    docker = _engine(target)
    compose = bool(said(target, "compose", "version", "--short"))
    buildx = bool(said(target, "buildx", "version"))
    if docker and compose and buildx:
        return packages, []
    if docker and too_old(docker):
        raise KitError(f"Docker {docker} is too old.", "Greffier needs Docker 20.10 or newer.", code=HOST)
    target.run((*APT, "update"))
    needed = Needed(not docker, not compose, not buildx)
    chosen = choice(_known(target), needed)
    if chosen:
        return packages + chosen, []
    done = _add_source(target, needed)
    return packages + needed.dockers, done


@dataclass(frozen=True)
class Needed:
    """What a host lacks of Docker."""

    engine: bool
    compose: bool
    buildx: bool

    @property
    def dockers(self) -> list[str]:
        """Packages of Docker's own."""
        parts = ((self.engine, ENGINE), (self.compose, (COMPOSE,)), (self.buildx, (BUILDX,)))
        return [name for needed, names in parts for name in names if needed]


def choice(known: Mapping[str, tuple[int, ...]], needed: Needed) -> list[str]:
    """Packages to install, of those that apt knows: the distribution's where it has all that is needed, else Docker's
    own; none where apt knows neither. Pure."""
    wanted: list[str] = []
    if needed.engine:
        # Debian 13 has the client in a package of its own, which the engine only recommends.
        wanted += ["docker.io", *(name for name in ("docker-cli",) if name in known)]
    if needed.compose:
        second = [name for name in ("docker-compose-v2", "docker-compose") if known.get(name, ()) >= (2,)]
        wanted.append(second[0] if second else "")
    if needed.buildx:
        wanted.append("docker-buildx")
    if all(name in known for name in wanted):
        return wanted
    return needed.dockers if all(name in known for name in needed.dockers) else []


def policy(text: str) -> dict[str, tuple[int, ...]]:
    """Package -> version that apt would install, of `apt-cache policy`'s words. Pure."""
    found, package = {}, ""
    for line in text.splitlines():
        if line[:1].strip():
            package = line.strip().removesuffix(":")
        label, _, value = line.strip().partition(": ")
        if label == "Candidate" and numbers(value):
            found[package] = numbers(value)
    return found


def _known(target: Target) -> dict[str, tuple[int, ...]]:
    return policy(target.run(("apt-cache", "policy", *DISTRIBUTIONS, *ENGINE, COMPOSE, BUILDX), check=False))


def _engine(target: Target) -> str:
    """Version of the engine; empty where none is installed. Raises KitError for one that does not answer."""
    version = engine(target)
    if not version:
        # Debian 13's engine may be there without a client.
        if not target.run(("sh", "-c", "command -v docker && command -v dockerd"), check=False).count("dockerd"):
            return ""
        # An installation that was cut off, or somebody stopped it.
        target.run(("dpkg", "--configure", "-a"))
        target.run(("systemctl", "start", "docker"), check=False)
        version = engine(target)
    if not version:
        told = target.run(("systemctl", "status", "--no-pager", "docker"), check=False)
        raise KitError("Docker is installed but not responding.", "Fix it, then run setup again.", output=told)
    return version


def engine(target: Target) -> str:
    """Version of the engine that answers; empty where none does."""
    return target.run(docker.server_version(), check=False).strip()


def said(target: Target, *words: str) -> str:
    """What docker prints on standard output; nothing where it is not there or refuses."""
    return target.run(docker.quietly(*words), check=False).strip()


def too_old(version: str) -> bool:
    """Whether Greffier cannot work with a Docker of this version."""
    found = numbers(version)[:2]
    return bool(found) and found < OLDEST


def numbers(version: str) -> tuple[int, ...]:
    """(26, 1, 5) of `5:26.1.5+dfsg1-9`: what is compared of a version."""
    parts = version.split(":")[-1].split("+")[0].split("-")[0].split("~")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def _add_source(target: Target, needed: Needed) -> list[str]:
    """Have apt know Docker's own packages. Raises KitError, with apt's words, where it cannot reach them; then what
    was written is taken back."""
    facts = target.facts
    architecture = target.run(("dpkg", "--print-architecture")).strip()
    text = source(str(facts["system"]), str(facts["codename"]), architecture)
    contents = {SOURCE: text.encode(), KEYRING: KEY.read_bytes()}
    ours = sorted(contents.keys() - target.existing(list(contents)))
    target.write_all([Writing(path, contents[path], 0o644, "root", "root") for path in ours])
    # A source that cannot be reached is only a warning to apt.
    words = target.run(("sh", "-c", 'exec "$@" 2>&1', "apt", *APT, "update"), check=False)
    if choice(_known(target), needed):
        return [f"added Docker's apt source ({SOURCE})"]
    target.remove(*ours)
    target.run((*APT, "update"), check=False)
    raise KitError(
        "The distribution has no Docker with Compose v2, and the host cannot get Docker's own packages.",
        "Let the host reach https://download.docker.com (proxies: /etc/apt/apt.conf.d), or install Docker there by "
        "other means; then run setup again." + (f" {SOURCE} was removed again." if SOURCE in ours else ""),
        output=words,
        code=HOST,
    )


def source(system: str, codename: str, architecture: str) -> str:
    """Docker's repository as apt reads it (deb822)."""
    return (
        "# Written by Greffier.\n"
        "Types: deb\n"
        f"URIs: https://download.docker.com/linux/{system}\n"
        f"Suites: {codename}\n"
        "Components: stable\n"
        f"Architectures: {architecture}\n"
        f"Signed-By: {KEYRING}\n"
    )


def install(target: Target, packages: Sequence[str]) -> Iterator[str]:
    """Lines of apt's as they come. Raises KitError with them where it fails."""
    # An installation that was cut off leaves dpkg in the middle.
    target.run(("dpkg", "--configure", "-a"))
    yield from target.lines((*APT, "update"))
    try:
        yield from target.lines((*APT, "install", "--no-install-recommends", *packages))
    except Lost:
        raise
    except KitError:
        if not _without_ipv6(target):
            raise
        yield from target.lines((*APT, "--fix-broken", "install"))


def _without_ipv6(target: Target) -> bool:
    """Whether nginx could not begin, since its page of welcome is for IPv6 too and the host has none: then it is for
    IPv4 alone now."""
    text = target.read(WELCOME)
    if target.facts.get("ipv6", True) or not text:
        return False
    kept = b"".join(line for line in text.splitlines(True) if not line.strip().startswith(b"listen [::]"))
    if kept == text:
        return False
    target.write(WELCOME, kept, 0o644, "root", "root")
    return True


def _installed(target: Target, package: str) -> bool:
    status = target.run(("dpkg-query", "-W", "-f", "${db:Status-Status}", package), check=False)
    return status.strip() == "installed"
