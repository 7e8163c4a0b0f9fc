"""What is on a host, asked in two round trips: what every deploy must know, then what its target state needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.certificates import acme, issuing
from deploy.config.stack import HostStack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.models import fetching
from deploy.rollout.target_state import TargetState
from deploy.runtime import components, images
from deploy.state.releases import Release
from deploy.transport import asking
from deploy.transport.asking import Asking, FileState
from deploy.transport.connection import Lost
from deploy.transport.targets import Target

UNITS = ("autostart", "nginx")


@dataclass(frozen=True)
class Docker:
    """What Docker has: image -> id, and container -> service."""

    images: Mapping[str, str]
    containers: Mapping[str, str]


@dataclass(frozen=True)
class HostSurvey:
    """What a host says before anything is wanted of it. `docker` is the failure where Docker does not answer."""

    nginx: tuple[tuple[int, ...], str]
    record: bytes | None
    units: Mapping[str, str]
    docker: Docker | KitError


@dataclass(frozen=True)
class TargetSurvey:
    """What a host says of a target state."""

    files: Mapping[str, FileState]
    asked: frozenset[str]
    """Paths of which `files` has those that are there."""
    models: frozenset[str]
    components: frozenset[str]
    certificate: str
    """Why one must be issued; empty where the one there will do."""
    served: str
    """Digest of the chain that nginx serves."""


def survey_host(host: HostStack, target: Target) -> Asking[HostSurvey]:
    """The first look."""
    return HostSurvey(
        *(
            yield from asking.together(
                target.supervisor.nginx(),
                asking.read(host.layout.record),
                target.supervisor.standing(UNITS),
                _docker(host),
            )
        )
    )


def _docker(host: HostStack) -> Asking[Docker | KitError]:
    if host.runtime == "process":
        return Docker({}, {})
    try:
        return Docker(*(yield from asking.together(images.identified(), images.containers())))
    except Lost:
        raise
    except KitError as error:
        return no_docker(host.name, error.output or error.message)


def no_docker(host: str, said: str) -> KitError:
    """What to tell where Docker gives no answer."""
    hint = f"Check `systemctl status docker` on the host. `greffier setup {host}` installs Docker if it is missing."
    return KitError(f"Docker is not responding on {host}.", hint, output=said, code=HOST)


def survey_target(target: Target, target_state: TargetState, record: Mapping[str, Any]) -> Asking[TargetSurvey]:
    """The second look: at what the target state wants, and at what is recorded."""
    host = target_state.host
    wanted = [path for path in target_state.tree if target_state.concerns(path)]
    recorded = [path for path in record["files"] if target_state.concerns(path)]
    paths = sorted({*wanted, *recorded, *record["pending"], host.layout.htpasswd})
    files, models, built, (certificate, asked_for), served = yield from asking.together(
        asking.states(paths, wanted, record["salt"]),
        fetching.present(host, target_state.models.values()),
        components.complete(target, target_state.components.values()),
        asking.together(
            issuing.reason(host), acme.reason(host) if host.tls.mode == "letsencrypt" else asking.known("")
        ),
        issuing.served_digest(host.layout),
    )
    return TargetSurvey(files, frozenset(paths), models, built, certificate or asked_for, served)


def require(former: Release, docker: Docker) -> Asking[None]:
    """What a former release ran must still be on the host. Raises KitError."""
    gone = set(former.components) - (yield from asking.existing(former.components))
    gone |= set(former.images) - images.present(former.images, docker.images)
    if gone:
        raise KitError(
            f"Release {former.number} ran {', '.join(sorted(gone))}, which is no longer on the host.",
            "Deploy with the Greffier version and the inventory of that time instead.",
            code=INVENTORY,
        )
