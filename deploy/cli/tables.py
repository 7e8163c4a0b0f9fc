"""What commands that only look show: tables and short paragraphs on a terminal, plain lines or JSON in a pipe."""

import datetime as dt
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deploy import program_output
from deploy.certificates.renewal import Standing
from deploy.config.quantities import show_size
from deploy.fleet import Outcome
from deploy.models.cache import Holding
from deploy.state.users import User
from deploy.upkeep.doctor import Finding
from deploy.upkeep.status import HostOverview, ServiceOverview

out = Console(highlight=False, soft_wrap=True, emoji=False)
STATES = {"ready": "green", "starting": "yellow", "draining": "yellow", "failed": "red", "paused": "yellow"}


def status(found: Sequence[Outcome[HostOverview]], *, as_json: bool) -> None:
    if as_json:
        _json([each.done.data() if each.done else {"name": each.host.name, **each.failure} for each in found])
        return
    for each in found:
        if each.done:
            _host(each.done)


def _host(host: HostOverview) -> None:
    deployed = f"release {host.release} of {_when(host.deployed)} by {host.by}" if host.release else "not deployed"
    out.print(f"[bold]{host.name}[/]: {escape(deployed)}")
    units = ", ".join(f"{unit} {'running' if runs else 'not running'}" for unit, runs in host.units.items())
    certificate = f"certificate until {host.certificate}" if host.certificate else "no certificate"
    if host.owed:
        out.print("  a deploy was interrupted: run `greffier deploy` to finish it", style="yellow")
    out.print(f"  {units}; {certificate}")
    out.print(f"  memory: {host.memory_free / 1e9:.1f} of {host.memory / 1e9:.1f} GB free")
    if host.drift:
        count = "1 file was" if len(host.drift) == 1 else f"{len(host.drift)} files were"
        out.print(f"  {count} changed on the host since: `greffier plan` shows how", style="yellow")
    head = ("service", "state", "since", "in flight", "last request", "memory", "model", "base_url")
    rows = [_service(service) for service in host.services]
    if out.is_terminal:
        table(head[:6], [row[:6] for row in rows], indent=2)
    else:
        table(head, rows)
    for row, service in zip(rows, host.services, strict=True):
        if out.is_terminal:
            out.print(f"  [dim]{escape(row[0])}: {escape(row[6])} at[/] {escape(row[7])}")
        if service.error:
            out.print(f"  {service.name}: {escape(service.error)}", style="red")
        if service.deviation:
            out.print(f"  {service.name}: {escape(service.deviation)}", style="yellow")


def _service(service: ServiceOverview) -> tuple[str, ...]:
    most = show_size(service.memory_limit >> 20 << 20)  # of a process the limit is the machine's memory, to the page
    return (
        service.name,
        service.state,
        ago(service.since) if service.since else "",
        str(service.in_flight),
        "none yet" if service.last_request is None else f"{ago(service.last_request)} ago",
        f"up to {most}" if service.memory is None else f"{service.memory >> 20}M of {most}",
        service.model,
        service.url,
    )


def _when(at: str) -> str:
    """A time of the record, to the minute, in UTC as on the host."""
    return f"{dt.datetime.fromisoformat(at).astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def audit(entries: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        _json(list(entries))
        return
    rows = [(str(e["release"]), _when(e["at"]), e["by"], e["kit"], e["did"], _steps(e["steps"])) for e in entries]
    table(("release", "at", "by", "kit", "did", "steps"), rows)


def log(line: str) -> None:
    """A line of a log: as it was written in a pipe; on a terminal, of one in JSON what a person reads."""
    entry = program_output.entry(line) if out.is_terminal else {}
    if "message" not in entry and "event" not in entry:
        print(line, flush=True)
        return
    taken = ("time", "level", "logger", "message", "event", "exception")
    level = str(entry.get("level", "info"))
    colour = {"warning": "yellow", "error": "red", "critical": "bold red"}.get(level, "")
    said = Text(f"{str(entry.get('time', ''))[:19].replace('T', ' ')} ", style="dim")
    said.append(f"{level:<7} ", style=colour)
    said.append(str(entry.get("message", entry.get("event"))), style=colour)
    more = " ".join(f"{key}={value}" for key, value in entry.items() if key not in taken and value not in (None, ""))
    said.append(f" {more}" if more else "", style="dim")
    out.print(said)
    if entry.get("exception"):
        out.print(Text(textwrap.indent(str(entry["exception"]).rstrip(), "    "), style="red"))


def _steps(steps: Sequence[str], shown: int = 3) -> str:
    """`~ config.json, > autostart and 4 more` of a release's steps, by the signs of a plan."""
    parts = [step.split(": ", 1)[0].split(" ", 2) for step in steps]
    signed = [(sign, what.rsplit("/", 1)[-1] if what.startswith("/") else what) for sign, _, what in parts]
    names = list(dict.fromkeys(f"{sign} {name}" for sign, name in signed))
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def findings(done: Sequence[Outcome[list[Finding]]], *, as_json: bool) -> bool:
    """Everything that was looked at. Returns whether something is wrong."""
    found = _by_host(done)
    if as_json:
        _json({host: [asdict(finding) for finding in all_] for host, all_ in found.items()} | _failures(done))
    else:
        for host, all_ in found.items():
            out.print(f"[bold]{host}[/]")
            for finding in all_:
                sign = "[red]✗[/]" if finding.advice else "[green]✓[/]"
                out.print(f"  {sign} {finding.what}: {escape(finding.found)}")
                if finding.advice:
                    out.print(f"      {escape(finding.advice)}")
    return any(finding.advice for all_ in found.values() for finding in all_)


def certificates(done: Sequence[Outcome[Standing]], *, as_json: bool) -> bool:
    """What each host serves. Returns whether one needs something."""
    found = [each.done for each in done if each.done]
    if as_json:
        _json([asdict(each.done) if each.done else {"host": each.host.name, **each.failure} for each in done])
        return any(standing.advice for standing in found)
    for each in found:
        if each.issuer:
            days = "expired" if each.days < 0 else f"{each.days} days left"
            out.print(
                f"[bold]{each.host}[/]: issued by {escape(each.issuer)}, valid {each.begins} to {each.ends}, {days}"
            )
            out.print(f"  for {', '.join(each.names)}")
            out.print(f"  {each.renewal}")
        else:
            out.print(f"[bold]{each.host}[/]: no usable certificate")
        if each.advice:
            out.print(f"  [red]✗[/] {escape(each.advice)}")
    return any(standing.advice for standing in found)


def models(done: Sequence[Outcome[list[Holding]]], *, as_json: bool) -> bool:
    """What each host has. Returns whether a model is missing or damaged."""
    found = _by_host(done)
    if as_json:
        _json({host: [asdict(holding) for holding in held] for host, held in found.items()} | _failures(done))
    else:
        rows = [
            (
                host,
                each.model,
                "" if each.size is None else f"{each.size / 1e6:.0f} MB",
                each.state,
                each.pinned or "at first fetch",
                ", ".join(each.services),
            )
            for host, held in found.items()
            for each in held
        ]
        table(("host", "model", "size", "state", "pinned by", "service"), rows)
        if any(each.state != "right" for held in found.values() for each in held):
            out.print("Run `greffier models pull` to fetch what is missing or damaged.")
    return any(each.state != "right" for held in found.values() for each in held)


def users(found: Sequence[User], *, as_json: bool) -> None:
    if as_json:
        _json([{"name": user.name, "advice": user.advice} for user in found])
    elif not found:
        out.print("No users yet. Run `greffier users add NAME` to add one.")
    else:
        table(("user", "advice"), [(user.name, user.advice) for user in found])


def ago(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0) -> None:
    """Columns on a terminal, tabs in a pipe."""
    if not out.is_terminal:
        for row in (head, *rows):
            print("\t".join(row))
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in head:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*map(escape, row))
    out.print(Padding(shown, (0, 0, 0, indent)), soft_wrap=False)


Found = TypeVar("Found")


def _by_host(done: Sequence[Outcome[Found]]) -> dict[str, Found]:
    return {each.host.name: each.done for each in done if each.done is not None}


def _failures(done: Sequence[Outcome[Found]]) -> dict[str, Any]:
    """Of the hosts that failed, why: so that whoever reads the data misses none."""
    return {each.host.name: each.failure for each in done if each.error}


def _json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()
