"""What runs on a host, what sleeps, and where it answers."""

from dataclasses import asdict, dataclass
from typing import Any

from deploy.operations import certificates, control, survey
from deploy.operations.workspace import Workspace
from deploy.stack import HostStack


@dataclass(frozen=True)
class ServiceOverview:
    """Times in seconds; `last_request` is None where there was none."""

    name: str
    kind: str
    model: str
    url: str
    state: str
    since: float
    in_flight: int
    last_request: float | None
    error: str


@dataclass(frozen=True)
class HostOverview:
    """`units` is what runs; `certificate` the day its certificate ends, or empty."""

    name: str
    release: int
    deployed: str
    units: dict[str, bool]
    certificate: str
    services: tuple[ServiceOverview, ...]

    def data(self) -> dict[str, Any]:
        return asdict(self)


def of(space: Workspace, host: HostStack) -> HostOverview:
    """Look at one host. Raises KitError when it cannot be reached."""
    target = space.target(host)
    record = survey.read_record(target, host)
    states = control.states(host, target)
    pem = target.read(certificates.chain_path(host.layout))
    services = []
    for service in host.services:
        entry = states.get(service.name, {})
        services.append(
            ServiceOverview(
                service.name,
                service.kind.name,
                service.model,
                host.base_url(service),
                str(entry.get("state", "not deployed" if not record["release"] else "stopped")),
                float(entry.get("since") or 0),
                int(entry.get("inFlight") or 0),
                entry.get("lastRequest"),
                str(entry.get("lastError") or ""),
            )
        )
    return HostOverview(
        host.name,
        record["release"],
        record.get("at", ""),
        {unit: target.supervisor.running(unit) for unit in ("nginx", "autostart")},
        f"{certificates.read(pem).ends:%Y-%m-%d}" if pem else "",
        tuple(services),
    )
