"""A release that starts beside the one that serves: in a second container, on a second port, before anything is
switched. So nobody waits, and one that does not start was never in the way."""

import time
from collections.abc import Collection, Mapping
from typing import Any

from deploy.errors import HOST, KitError
from deploy.render.manifest import ServiceManifest
from deploy.reporting import Reporter
from deploy.rollout.planning import PlannedRollout
from deploy.runtime import control, docker, images
from deploy.transport.connection import Lost
from deploy.transport.targets import Target

States = Mapping[str, Mapping[str, Any]]
"""What autostart says of each service, by name."""

LOG_LINES = 40
POLL_SECONDS = 0.2
DRAIN_SECONDS = 600.0
"""So long a deploy waits for requests that the release before still answers."""


def possible(rollout: PlannedRollout, services: Collection[str], states: States, report: Reporter) -> frozenset[str]:
    """Those of the services that are awake, have another port to go to, and memory for two of them."""
    target = rollout.target
    free = _free(target)
    found = set[str]()
    for service in rollout.host.services:
        state = states.get(service.name)
        if service.name not in services or not service.second_port or not state:
            continue
        if not control.is_awake(state) or state["draining"] or _held(target, service.second_port):
            continue
        if service.memory > free:
            report.say(f"{service.name}: two may not fit in memory, so requests wait while it is replaced.")
            continue
        free -= service.memory
        found.add(service.name)
    return frozenset(found)


def names(rollout: PlannedRollout, states: States) -> frozenset[str]:
    """The changed services whose release before can serve until theirs is ready: they share no container."""
    awake = {name: set(state["containers"]) for name, state in states.items() if control.is_awake(state)}
    wanted = rollout.services
    return frozenset(
        n for n in rollout.changed & awake.keys() & wanted.keys() if awake[n].isdisjoint(wanted[n].containers)
    )


def start(rollout: PlannedRollout, name: str, states: States, report: Reporter) -> None:
    """Make its container, start it and wait until it is ready. Raises KitError with its log."""
    target, service = rollout.target, rollout.services[name]
    with report.step(f"Starting the new {name} in the second slot"):
        anew = not _drains(service, states[name])
        if anew:
            target.afterwards(f"beside {name}", docker.remove_containers(service.containers))
        images.create(target, service.folder, anew=anew)
        for container in service.containers:
            target.run(docker.start(container))
        _until_ready(target, service)


def keep(rollout: PlannedRollout, name: str) -> None:
    """It is about to serve: it stays, whatever becomes of this connection."""
    rollout.target.afterwards(f"beside {name}", ())


def withdraw(rollout: PlannedRollout, name: str, states: States) -> None:
    """Remove what was started, unless it still answers requests of its own."""
    service = rollout.services[name]
    if not _drains(service, states[name]):
        images.remove(rollout.target, service.containers)
    keep(rollout, name)


def clear(rollout: PlannedRollout, report: Reporter) -> None:
    """Remove the containers of releases before, each when it has answered what it was asked. A host that runs processes
    has none, and maybe no Docker."""
    if rollout.host.runtime == "process":
        return
    target, wanted = rollout.target, {c for service in rollout.services.values() for c in service.containers}
    left = [(c, name) for c, name in target.answer(images.containers()).items() if c not in wanted]
    if not left:
        return
    busy = _wait(rollout, {name for _, name in left}, report)
    images.remove(target, [container for container, name in left if name not in busy])
    for name in sorted(busy):
        report.say(f"{name}: the previous release is still answering a request; the next deploy removes it.")


def _wait(rollout: PlannedRollout, services: set[str], report: Reporter) -> set[str]:
    """Wait for the requests of releases before. Returns whose are not done."""
    until = time.monotonic() + DRAIN_SECONDS
    busy = _busy(rollout, services)
    if busy:
        with report.step(f"Draining the previous {' and '.join(sorted(busy))}"):
            while busy and time.monotonic() < until:
                time.sleep(POLL_SECONDS)
                busy = _busy(rollout, services)
    return busy


def _busy(rollout: PlannedRollout, services: set[str]) -> set[str]:
    states = control.states(rollout.host, rollout.target)
    return {name for name in services if states.get(name, {}).get("draining")}


def _until_ready(target: Target, service: ServiceManifest) -> None:
    container, seconds = service.containers[0], service.start_seconds
    until = time.monotonic() + seconds
    while not _answers(target, service):
        running, _, starved = target.run(docker.inspect_state(container), check=False).partition(" ")
        if running == "true" and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            continue
        late = f"did not report ready at {service.ready_path} within {seconds:g} s"
        what = late if running == "true" else "exited while starting"
        if starved.strip() == "true":
            what = "ran out of memory: raise `memory` in the inventory, or use a smaller model"
        said = target.run(docker.log_text(container, LOG_LINES), check=False)
        raise KitError(f"The new {service.name} {what}.", output=said, code=HOST)


def _answers(target: Target, service: ServiceManifest) -> bool:
    try:
        return target.fetch(service.port, service.hostname, service.ready_path, 5.0)[0] in range(200, 300)
    except Lost:
        raise
    except KitError:
        return False


def _drains(service: ServiceManifest, state: Mapping[str, Any]) -> bool:
    """The release that shall serve again has not finished yet."""
    return any(old["port"] == service.port for old in state["draining"])


def _held(target: Target, port: int) -> bool:
    return bool(target.run(("ss", "--listening", "--tcp", "--numeric", "--no-header", f"sport = :{port}")).strip())


def _free(target: Target) -> int:
    """Bytes that programs can still have (proc_meminfo(5), MemAvailable)."""
    for line in (target.read("/proc/meminfo") or b"").decode(errors="replace").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
