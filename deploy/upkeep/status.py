"""What runs on a host, what sleeps, where it answers, and what it takes: two round trips.

Told is what the host has: a service runs with the model and the memory that it was deployed with, whatever the
inventory says by now."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from deploy.certificates import issuing
from deploy.config.quantities import show_size
from deploy.config.stack import HostStack, ServiceStack
from deploy.render import autostart
from deploy.runtime import control
from deploy.runtime.systemd import UNITS
from deploy.state import records
from deploy.transport.targets import Target
from deploy.workspace import Workspace

MODEL = "STT_MODEL"
"""The variable that carries it, of every kind."""


@dataclass(frozen=True)
class ServiceOverview:
    """Times in seconds, sizes in bytes; `last_request` is None where there was none, `memory` where nothing runs.
    `deviation` says what the inventory has otherwise; empty where it says the same."""

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
    deviation: str = ""


@dataclass(frozen=True)
class HostOverview:
    """`units` is what runs; `certificate` the day its certificate ends, or empty; `drift` the files that were changed
    on the host since the last deploy; `owed`: a deploy was cut off, and nobody has finished it."""

    name: str
    release: int
    deployed: str
    by: str
    units: dict[str, bool]
    certificate: str
    drift: tuple[str, ...]
    owed: bool
    memory: int
    memory_free: int
    services: tuple[ServiceOverview, ...]

    def data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Deployed:
    """A service as the host has it. `memory` is 0 where nothing limits it."""

    hostname: str
    kind: str
    model: str
    memory: int


def of(space: Workspace, host: HostStack) -> HostOverview:
    """Look at one host. Raises KitError when it cannot be reached."""
    target, layout = space.target(host), host.layout
    chain, config = issuing.chain_path(layout), autostart.path(host)
    request = {
        "files": [layout.record, chain],
        "config": config,
        "commands": {"units": ["systemctl", "is-active", *UNITS.values()]} if host.runtime == "compose" else {},
        "socket": layout.control,
    }
    found = target.look("overview", request)
    record = records.of(host, found["files"].get(layout.record))
    states = {entry["name"]: entry for entry in found["services"]}
    there = issuing.seen(found["files"].get(chain, "").encode())
    deployed = _deployed(config, found["files"])
    wanted = {service.name: service for service in host.services}
    names = dict.fromkeys((*wanted, *deployed))
    return HostOverview(
        host.name,
        record["release"],
        record.get("at", ""),
        record.get("by", ""),
        _units(host, target, found["commands"]),
        f"{there.ends:%Y-%m-%d}" if there else "",
        _drift(target, record),
        bool(record["pending"]),
        found["memory"]["whole"],
        found["memory"]["free"],
        tuple(_service(space, host, n, wanted.get(n), deployed.get(n), states.get(n, {})) for n in names),
    )


def _units(host: HostStack, target: Target, printed: dict[str, str]) -> dict[str, bool]:
    if host.runtime == "process":
        return {unit: target.supervisor.running(unit) for unit in UNITS}
    return dict(zip(UNITS, (line == "active" for line in printed.get("units", "").splitlines()), strict=False))


def _drift(target: Target, record: dict[str, Any]) -> tuple[str, ...]:
    """Files of the last deploy that somebody changed or removed since."""
    states = target.states(sorted(record["files"]), salt=record["salt"]) if record["files"] else {}
    return tuple(p for p in sorted(record["files"]) if p not in states or not records.ours(p, states[p], record))


def _deployed(config: str, files: Mapping[str, str]) -> dict[str, _Deployed]:
    """The services as autostart and Docker have them, by name; of what is damaged nothing."""
    try:
        entries = [(hostname, dict(entry)) for hostname, entry in json.loads(files[config])["services"].items()]
        return {str(entry["name"]): _as_deployed(hostname, entry, files) for hostname, entry in entries}
    except (ValueError, LookupError, AttributeError, TypeError, yaml.YAMLError):
        return {}


def _as_deployed(hostname: str, entry: Mapping[str, Any], files: Mapping[str, str]) -> _Deployed:
    if "process" in entry:
        process = entry["process"]
        kind = re.sub("-[0-9a-f]{16}$", "", str(process["directory"]).rpartition("/")[2])
        return _Deployed(hostname, kind, str(process["environment"].get(MODEL, "")), 0)
    text = files.get(f"{entry['composeDir']}/compose.yml", "services: {}")
    definition = yaml.safe_load(text)["services"].get(entry["name"], {})
    built = re.match("greffier/([a-z0-9-]+):", str(definition.get("image", "")))
    environment = definition.get("environment", {})
    return _Deployed(
        hostname, built[1] if built else "", str(environment.get(MODEL, "")), int(definition.get("mem_limit", 0))
    )


def _service(
    space: Workspace,
    host: HostStack,
    name: str,
    wanted: ServiceStack | None,
    there: _Deployed | None,
    entry: dict[str, Any],
) -> ServiceOverview:
    memory = entry.get("memory") or {}
    kind, model, limit, url = "", "", 0, ""
    if wanted:
        kind, model, limit, url = wanted.kind.name, wanted.model, wanted.memory, host.base_url(wanted)
    if there:
        kind, model, limit = there.kind or kind, there.model, there.memory or limit
        if not wanted or wanted.hostname != there.hostname:
            url = host.layout.origin(there.hostname) + ("/v1" if model else "")
    return ServiceOverview(
        name,
        kind,
        model,
        url,
        str(entry.get("state", "stopped" if there else "not deployed")),
        float(entry.get("since") or 0),
        int(entry.get("inFlight") or 0),
        entry.get("lastRequest"),
        memory.get("used"),
        memory.get("limit", limit),
        "; ".join([*filter(None, [entry.get("lastError")]), *control.unheard(entry)]),
        _deviation(space, name, wanted, there) if there else "",
    )


def _deviation(space: Workspace, name: str, wanted: ServiceStack | None, there: _Deployed) -> str:
    """What the inventory has otherwise than the host, in words."""
    if wanted is None:  # of an inventory with mistakes nobody can say what it wants
        return "" if space.problems else "not in the inventory: the next deploy removes it"
    said = []
    if wanted.model != there.model:
        said.append(f"the model {wanted.model or 'of its own'}")
    if there.memory and wanted.memory != there.memory:
        said.append(f"{show_size(wanted.memory)} of memory")
    if wanted.hostname != there.hostname:
        said.append(f"the name {wanted.hostname}")
    return f"not deployed yet: {', '.join(said)}" if said else ""
