"""What is wrong with a host, and what to do about each."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy import unexpected
from deploy.certificates import renewal
from deploy.config import secrets
from deploy.config.quantities import show_size
from deploy.config.stack import HostStack
from deploy.errors import HOST, KitError, Problem
from deploy.models import cache, fetching
from deploy.render import nginx, notify
from deploy.reporting import Reporter
from deploy.rollout import verify
from deploy.runtime import control, images
from deploy.setup import apt, firewall
from deploy.state import records, users
from deploy.transport.connection import Lost
from deploy.transport.targets import Target
from deploy.upkeep import housekeeping
from deploy.workspace import Workspace, way

CLOCK_SECONDS = 30
"""Tolerated difference of clocks: beyond it certificates and logs mislead."""
DISK_SPARE = 2 << 30
"""Bytes that should stay free: an image is built beside the old one."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `advice` is empty where it is well."""

    what: str
    found: str
    advice: str = ""


Check = Callable[[Workspace, HostStack, Target], Iterator[Finding]]


def examine(space: Workspace, host: HostStack, report: Reporter) -> list[Finding]:
    """Look at everything; one check that fails does not stop the others. Of a host that cannot be reached, only at what
    is here."""
    target = space.target(host)
    found = [
        Finding("inventory", _told(problem), "Fix it; `greffier check` shows the rest.") for problem in space.problems
    ]
    try:
        target.connection.ask("hello")
    except KitError as error:
        return [*found, _gone(error), *_secrets(space, host, target)]
    with report.step(f"Examining {host.name}") as bar:
        for number, check in enumerate(CHECKS):
            name = check.__name__.strip("_")
            bar.update(number, len(CHECKS), name)
            try:
                found += check(space, host, target)
            except BrokenPipeError:
                raise
            except Lost as error:  # what is asked now would wait in vain, and say the same
                return [*found, _gone(error), *_secrets(space, host, target)]
            except Exception as error:
                failure = unexpected.as_kit_error(error)
                found.append(Finding(name, failure.message, failure.hint or f"{name} could not be checked."))
    return found


def _told(problem: Problem) -> str:
    return f"{problem.place}: {problem.message}"


def _gone(error: KitError) -> Finding:
    advice = error.hint or "Nothing else could be checked. Is the host up and reachable by `ssh`?"
    return Finding("host", error.message, advice)


def _reach(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    facts = target.facts
    yield Finding("host", f"{facts['system']} {facts['version']}, Python {facts['python']}, as {facts['user']}")
    if records.read(target, host)["pending"]:
        yield Finding("deploy", "the last one was interrupted", "Run `greffier deploy` to finish it.")
    holder = target.holder()
    yield Finding("lock", f"held by {holder}" if holder else "free")
    for unit in ("nginx", "autostart"):
        runs = target.supervisor.running(unit)
        yield Finding(unit, "running" if runs else "not running", "" if runs else "Run `greffier deploy` to start it.")


def _nginx(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    if host.layout.nginx_main:  # its connections are ours to say
        return
    number = nginx.connections(target.run(("sh", "-c", "nginx -T 2>/dev/null"), check=False))
    few = number < nginx.WORKER_CONNECTIONS
    more = f"; `worker_connections {nginx.WORKER_CONNECTIONS};` in /etc/nginx/nginx.conf allows more"
    yield Finding("nginx", f"allows {number} connections per worker, across all its sites{more if few else ''}")


def _clock(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    away = abs(target.facts["time"] - time.time())
    advice = "" if away < CLOCK_SECONDS else "Enable systemd-timesyncd or chrony on the host."
    yield Finding("clock", f"{away:.0f} s off from this machine's" if advice else "in sync", advice)


def _names(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    if host.runtime == "process":
        return
    address = way(host).hostname()
    own = set(target.run(("hostname", "--all-ip-addresses"), check=False).split()) | _resolve(address)
    for name in host.names:
        there = _resolve(name)
        if not there:
            advice = f"Create a DNS record for {name} that points at {address}."
            yield Finding("DNS", f"{name} does not resolve", advice)
        elif not there & own:
            advice = f"Point {name} at {address}; a new record takes a while to propagate."
            yield Finding("DNS", f"{name} points at {', '.join(sorted(there))}, not at this host", advice)
        else:
            yield Finding("DNS", f"{name} points here")


def _resolve(name: str) -> set[str]:
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _ports(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    if host.runtime == "process":
        return
    listed = target.run(("ss", "--listening", "--tcp", "--numeric", "--processes", "--no-header"), check=False)
    wanted = {host.layout.http_port: "nginx", host.layout.https_port: "nginx"}
    for line in listed.splitlines():
        fields = line.split()
        port = int(fields[3].rpartition(":")[2]) if len(fields) > 3 and fields[3].rpartition(":")[2].isdigit() else 0
        holder = fields[5] if len(fields) > 5 else ""
        if port in wanted and wanted[port] not in holder:
            yield Finding(
                "port", f"{port} is in use by {holder or 'another program'}", "Stop it: nginx needs this port."
            )
    for port in wanted:
        try:
            with socket.create_connection((way(host).hostname(), port), timeout=5):
                yield Finding("port", f"{port} is reachable from here")
        except OSError as error:
            advice = "Open it in the host's firewall and in your provider's."
            yield Finding("port", f"{port} is not reachable from here ({error})", advice)


def _firewall(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    if host.runtime == "process":
        return
    wyoming = [service.wyoming[1] for service in host.services if service.wyoming and service.exposed]
    ports = (host.layout.http_port, host.layout.https_port, *wyoming)
    ufw = target.run(("sh", "-c", "ufw status 2>/dev/null"), check=False)
    nft = target.run(("sh", "-c", "nft list ruleset 2>/dev/null"), check=False)
    name, closed = firewall.closed(ufw, nft, ports)
    for port in closed:
        word = f"ufw allow {port}/tcp" if name == "ufw" else f"nft add rule inet filter input tcp dport {port} accept"
        yield Finding(
            "firewall", f"{name} is active, and no rule that could be read opens {port}", f"Run on the host: `{word}`."
        )
    if not closed:
        yield Finding("firewall", f"{name} allows {' and '.join(map(str, ports))}" if name else "none on the host")


def _space(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    folder = host.layout.var if target.existing([host.layout.var]) else "/"
    said = target.run(("df", "--output=avail", "--block-size=1", folder)).split()
    if not said or not said[-1].isdecimal():
        hint = f"Check `df {folder}` on the host."
        raise KitError("The free disk space could not be read.", hint, code=HOST)
    free = int(said[-1])
    advice = "" if free > DISK_SPARE else "Free some with `greffier prune`, which removes unused images and releases."
    yield Finding("disk", f"{free / 1e9:.1f} GB free", advice)


def _memory(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    whole = int(target.facts["memory"])
    needed = sum(service.memory for service in host.services)
    for service in host.services:
        if service.memory > whole:
            advice = f"Use a smaller model for {service.name} or a larger host."
            yield Finding(
                "memory", f"{service.name} may need {show_size(service.memory)} of {whole / 1e9:.1f} GB", advice
            )
            return
    kept = "all services awake at once" if needed <= whole else "not all services awake at once"
    yield Finding("memory", f"{whole / 1e9:.1f} GB: enough for {kept}")


def _docker(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    if host.runtime == "process":
        return
    version = apt.engine(target)
    if not version:
        advice = f"Run `greffier setup {host.name}` to start it; check `systemctl status docker` on the host."
        yield Finding("Docker", "not responding", advice)
        return
    compose = apt.said(target, "compose", "version", "--short")
    advice = "Upgrade Docker on the host: Greffier needs 20.10 or newer." if apt.too_old(version) else ""
    if apt.numbers(compose) < (2,):
        advice = f"Run `greffier setup {host.name}` to install Compose v2."
    yield Finding("Docker", f"{version}, Compose {compose or 'missing'}", advice)
    there = set(target.answer(images.containers()).values())
    for service in host.services:
        if service.name not in there:
            yield Finding("container", f"{service.name} has none", "Run `greffier deploy` to create it.")
    for sentence in verify.open_ways(host, target) if there else ():
        yield Finding("Docker", sentence, "Docker before 28 needs this; run `greffier deploy` to set it up.")
    for name in sorted(housekeeping.orphans(host, target)):
        yield Finding("container", f"{name} no longer belongs to a service", "Run `greffier prune` to remove it.")


def _models(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    requests = fetching.wanted(host, space.path)
    there = target.answer(fetching.present(host, requests.values()))
    for name in requests:
        if name in there:
            yield Finding("model", f"{name} is present")
        else:
            advice = cache.obstacle(space, host, name) or "Run `greffier models pull` or `greffier deploy` to fetch it."
            yield Finding("model", f"{name} is missing or damaged", advice)
    folders = [service.diarizer.folder for service in host.services if service.diarizer and service.diarizer.folder]
    for folder in sorted({*folders} - target.existing(folders)):
        yield Finding("model", f"{folder} does not exist", "Copy the model's folder there (`diarization_model`).")


def _certificate(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    there = renewal.standing(space, host)
    if not there.issuer:
        yield Finding("certificate", "no usable certificate", there.advice)
    elif host.tls.mode == "letsencrypt" and there.own:
        yield Finding("certificate", "self-signed until Let's Encrypt issues one", there.advice)
    else:
        yield Finding("certificate", f"expires on {there.ends}, in {there.days} days; {there.renewal}", there.advice)


def _wyoming(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    states = control.states(host, target) if any(service.wyoming for service in host.services) else {}
    for service in host.services:
        for sentence in control.listen_errors(states.get(service.name, {})):
            advice = "It needs an address of the host and a free port."
            yield Finding("Wyoming", f"{service.name}: {sentence}", advice)
        if service.exposed:
            yield Finding("Wyoming", f"{service.name}: {service.exposed} has no password; restrict who reaches it")
        if service.open_to:
            yield Finding("open", f"{service.name}: no password is asked of {', '.join(service.open_to)}")


def _notify(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    if not host.notify:
        return
    if target.run(("systemctl", "is-active", notify.TIMER), check=False).strip() != "active":
        yield Finding("notify", "off: its timer is not running", "Run `greffier deploy` to start it.")
        return
    result = target.run(("systemctl", "show", "--property", "Result", "--value", notify.SERVICE), check=False).strip()
    if result in ("", "success"):
        yield Finding("notify", "failures are reported")
    else:
        advice = f"Check `journalctl -u {notify.SERVICE}` on the host."
        yield Finding("notify", "the last message could not be sent", advice)


def _users(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    found = users.listed(target, host.layout)
    yield Finding(
        "users", str(len(found)), "" if found else "Run `greffier users add NAME`: nobody can call the services yet."
    )
    for user in found:
        if user.advice:
            yield Finding("users", f"{user.name}: {user.advice}", f"Run `greffier users rotate {user.name}`.")


def _secrets(space: Workspace, host: HostStack, target: Target) -> Iterator[Finding]:
    for service in host.services:
        for variable, reference in (*service.secrets, *service.tokens):
            try:
                secrets.resolve([reference], space.path.resolve().parent)
                yield Finding("secret", f"{variable} of {service.name} resolves ({reference})")
            except KitError as error:
                yield Finding("secret", error.message, "Set it before you deploy.")


CHECKS: tuple[Check, ...] = (
    _reach, _nginx, _clock, _names, _ports, _firewall, _space, _memory, _docker, _models, _certificate, _wyoming,
    _notify, _users, _secrets,
)  # fmt: skip
