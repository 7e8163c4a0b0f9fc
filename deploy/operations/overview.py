"""What runs on a host, what sleeps, where it answers, and what it takes: two round trips."""

from dataclasses import asdict, dataclass
from typing import Any

from deploy.operations import certificates, control, survey
from deploy.operations.workspace import Workspace
from deploy.stack import HostStack, ServiceStack
from deploy.systemd import UNITS
from deploy.targets import Target


@dataclass(frozen=True)
class ServiceOverview:
    """Times in seconds, sizes in bytes; `last_request` is None where there was none, `memory` where nothing runs."""

    name: str
    kind: str
    model: str
    url: str
    state: str
    since: float
    in_flight: int
    last_request: float | None
    memory: int | None
    memory_limit: int
    error: str


@dataclass(frozen=True)
class HostOverview:
    """`units` is what runs; `certificate` the day its certificate ends, or empty; `drift` the files that were changed
    on the host since the last deploy."""

    name: str
    release: int
    deployed: str
    by: str
    units: dict[str, bool]
    certificate: str
    drift: tuple[str, ...]
    memory: int
    memory_free: int
    services: tuple[ServiceOverview, ...]

    def data(self) -> dict[str, Any]:
        return asdict(self)


def of(space: Workspace, host: HostStack) -> HostOverview:
    """Look at one host. Raises KitError when it cannot be reached."""
    target, layout = space.target(host), host.layout
    chain = certificates.chain_path(layout)
    request = {
        "files": [layout.record, chain],
        "commands": {"units": ["systemctl", "is-active", *UNITS.values()]} if host.runtime == "compose" else {},
        "socket": layout.control,
    }
    found = target.look("overview", request)
    record = survey.record_of(host, found["files"].get(layout.record))
    states = {entry["name"]: entry for entry in found["services"]}
    there = certificates.seen(found["files"].get(chain, "").encode())
    return HostOverview(
        host.name,
        record["release"],
        record.get("at", ""),
        record.get("by", ""),
        _units(host, target, found["commands"]),
        f"{there.ends:%Y-%m-%d}" if there else "",
        _drift(target, record),
        found["memory"]["whole"],
        found["memory"]["free"],
        tuple(_service(host, service, states.get(service.name, {}), record["release"]) for service in host.services),
    )


def _units(host: HostStack, target: Target, printed: dict[str, str]) -> dict[str, bool]:
    if host.runtime == "process":
        return {unit: target.supervisor.running(unit) for unit in UNITS}
    return dict(zip(UNITS, (line == "active" for line in printed.get("units", "").splitlines()), strict=False))


def _drift(target: Target, record: dict[str, Any]) -> tuple[str, ...]:
    """Files of the last deploy that somebody changed or removed since."""
    states = target.states(sorted(record["files"]), salt=record["salt"]) if record["files"] else {}
    return tuple(p for p in sorted(record["files"]) if p not in states or not survey.ours(p, states[p], record))


def _service(host: HostStack, service: ServiceStack, entry: dict[str, Any], release: int) -> ServiceOverview:
    memory = entry.get("memory") or {}
    return ServiceOverview(
        service.name,
        service.kind.name,
        service.model,
        host.base_url(service),
        str(entry.get("state", "stopped" if release else "not deployed")),
        float(entry.get("since") or 0),
        int(entry.get("inFlight") or 0),
        entry.get("lastRequest"),
        memory.get("used"),
        memory.get("limit", service.memory),
        "; ".join([*filter(None, [entry.get("lastError")]), *control.unheard(entry)]),
    )
