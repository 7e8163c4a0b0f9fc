"""A bare Debian or Ubuntu host becomes ready: packages, the user, folders, autostart. Idempotent."""

from collections.abc import Iterator

from deploy.errors import HOST, INVENTORY, KitError
from deploy.operations import components
from deploy.operations.report import Reporter
from deploy.render import units
from deploy.ssh import Ssh
from deploy.stack import HostStack
from deploy.targets import Target, Writing

SYSTEMS = {("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")}
BASE = ("nginx", "certbot", "python3-venv", "ca-certificates")
DOCKERS_OWN = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120")


def bootstrap(ssh: Ssh) -> None:
    """Python is what everything else is done with: install it where it is missing."""
    ssh.plain(("sh", "-c", "command -v python3 >/dev/null || { apt-get -q update && apt-get -q -y install python3; }"))


def run(host: HostStack, target: Target, report: Reporter) -> list[str]:
    """Make the host ready. Returns what was done, in sentences. Raises KitError."""
    facts = target.facts
    system = (str(facts["system"]), str(facts["version"]))
    if system not in SYSTEMS:
        known = ", ".join(f"{name} {version}" for name, version in sorted(SYSTEMS))
        raise KitError(f"{host.name} runs {' '.join(system)}.", f"Greffier sets up {known}.", code=HOST)
    done = []
    packages = lacking(target)
    if packages:
        with report.step(f"Installing {', '.join(packages)}") as bar:
            for line in _install(target, packages):
                bar.update(0, 0, line)
        done.append(f"installed {', '.join(packages)}")
    done += _user(target)
    done += _folders(host, target)
    done += _autostart(host, target, report)
    return done


def lacking(target: Target) -> tuple[str, ...]:
    """Packages to install. What is there, from wherever it came, is left alone. Raises KitError where apt knows no
    Docker with Compose v2."""
    packages = [name for name in BASE if not _installed(target, name)]
    docker = target.run(("sh", "-c", "docker version --format '{{.Server.Version}}' 2>/dev/null"), check=False).strip()
    compose = target.run(("sh", "-c", "docker compose version --short 2>/dev/null"), check=False).strip()
    buildx = target.run(("sh", "-c", "docker buildx version 2>/dev/null"), check=False).strip()
    if docker and compose and buildx:
        return tuple(packages)
    if docker and int(docker.partition(".")[0]) < 20:
        raise KitError(f"Docker {docker} is too old.", "Greffier needs Docker 20.10 or newer.", code=HOST)
    target.run((*APT, "update"))
    own = _distribution(target, docker=bool(docker), compose=bool(compose), buildx=bool(buildx))
    if own is not None:
        return (*packages, *own)
    if _version(target, DOCKERS_OWN[0]) < 0:
        raise KitError(
            "The host's apt has no Docker with Compose v2.",
            "Add Docker's apt source there (docs.docker.com/engine/install), then run setup again.",
            code=HOST,
        )
    return (*packages, *DOCKERS_OWN)


def _distribution(target: Target, *, docker: bool, compose: bool, buildx: bool) -> list[str] | None:
    """Packages of the distribution itself, where it has all of them."""
    names = [] if docker else ["docker.io"]
    for there, options in (
        (compose, ("docker-compose-v2", "docker-compose")),
        (buildx, ("docker-buildx",)),
    ):
        if there:
            continue
        found = next((name for name in options if _version(target, name) >= (2 if "compose" in name else 0)), None)
        if found is None:
            return None
        names.append(found)
    return names


def _version(target: Target, package: str) -> int:
    """Major version that apt would install; -1 where it has none."""
    text = target.run(("apt-cache", "policy", package), check=False)
    for line in text.splitlines():
        label, _, value = line.strip().partition(": ")
        if label == "Candidate" and value[:1].isdigit():
            return int(value.split(":")[-1].split(".")[0])
    return -1


def _installed(target: Target, package: str) -> bool:
    status = target.run(("dpkg-query", "-W", "-f", "${db:Status-Status}", package), check=False)
    return status.strip() == "installed"


def _install(target: Target, packages: tuple[str, ...]) -> Iterator[str]:
    # An installation that was cut off leaves dpkg in the middle.
    target.run(("dpkg", "--configure", "-a"))
    yield from target.lines((*APT, "update"))
    yield from target.lines((*APT, "install", "--no-install-recommends", *packages))


def _user(target: Target) -> list[str]:
    if target.run(("getent", "passwd", "greffier"), check=False):
        return []
    target.run(
        ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/greffier",
         "--shell", "/usr/sbin/nologin", "greffier")
    )  # fmt: skip
    return ["made the user greffier, which autostart runs as"]


def _folders(host: HostStack, target: Target) -> list[str]:
    layout = host.layout
    wanted = [layout.etc, layout.opt, layout.var, layout.models, layout.log]
    if target.existing(wanted) == set(wanted):
        return []
    target.folders(wanted)
    target.run(("chown", "greffier:greffier", layout.log))
    return [f"made {', '.join(wanted)}"]


def _autostart(host: HostStack, target: Target, report: Reporter) -> list[str]:
    parts = components.of(host)
    built = components.complete(target, parts)
    done = []
    for component in parts:
        if component.path not in built:
            with report.step(f"Installing {component.label}") as bar:
                components.build(target, host.layout, component, bar)
            done.append(f"installed {component.label}")
    wanted = {path: file for path, file in units.files(host) if path in (units.UNIT, units.ADDRESS)}
    there = target.states(list(wanted), list(wanted))
    if any(path not in there or there[path].text != file.text for path, file in wanted.items()):
        target.write_all([Writing(p, f.text.encode(), f.mode, f.owner, f.group) for p, f in wanted.items()])
        target.run(("systemctl", "daemon-reload"))
        target.run(("systemctl", "enable", units.SERVICE, units.SOCKET))
        done.append("installed the service greffier-autostart")
    return done


def find(hosts: tuple[HostStack, ...], name: str) -> HostStack:
    """The host that a setup is for. Raises KitError."""
    for host in hosts:
        if host.name == name:
            if host.runtime == "process":
                raise KitError(f"{name} is this machine: `deploy` does all it needs.", code=INVENTORY)
            return host
    raise KitError(f"There is no host {name!r}.", f"Known: {', '.join(h.name for h in hosts)}.", code=INVENTORY)
