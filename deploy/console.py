"""How it looks on a terminal; plain lines in a pipe."""

import contextlib
import json
import os
import shlex
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from deploy.errors import HOST, INVENTORY, KitError
from deploy.operations.demo import SAMPLE, Demonstration
from deploy.operations.doctor import Finding
from deploy.operations.fleet import Outcome
from deploy.operations.housekeeping import Waste
from deploy.operations.overview import HostOverview
from deploy.operations.users import Key, User
from deploy.operations.workspace import Workspace
from deploy.plan import SIGNS, Plan
from deploy.progress import err, reporter
from deploy.stack import HostStack
from deploy.types import Secret

out = Console(highlight=False, soft_wrap=True)
COLOURS = {"create": "green", "change": "yellow", "remove": "red", "restart": "cyan"}


def failed(error: KitError) -> None:
    """A sentence, what a failed step printed, and what to do."""
    if error.output.strip():
        err.print(escape(error.output.rstrip()), style="dim")
    for line in error.message.split("\n"):
        err.print(f"[bold red]Error:[/] {escape(line)}")
    if error.hint:
        err.print(escape(error.hint))


def plans(space: Workspace, found: Mapping[str, Plan], *, as_json: bool) -> None:
    """Every step with its reason, and each changed file's difference."""
    if as_json:
        steps = {
            host: [{"verb": s.verb, "what": s.what, "why": s.why, "diff": s.diff} for s in plan.steps]
            for host, plan in found.items()
        }
        print(json.dumps(steps, indent=2))
        return
    for sentence in space.moved:
        err.print(escape(sentence))
    for host, plan in found.items():
        out.print(f"[bold]{host}[/]" + (": nothing to do." if plan.empty else ""))
        for step in plan.steps:
            colour = COLOURS[step.verb]
            sign = SIGNS[step.verb]
            out.print(f"  [{colour}]{sign}[/] {step.verb} [bold]{escape(step.what)}[/] [dim]({escape(step.why)})[/]")
            if step.diff and out.is_terminal:
                out.print(Syntax(textwrap.indent(step.diff, "      "), "diff", background_color="default"))
            elif step.diff:
                print(textwrap.indent(step.diff, "      "), end="")


def deployed(host: HostStack, plan: Plan) -> None:
    """What a deploy did, and where the services answer."""
    if plan.empty:
        out.print(f"{host.name}: nothing to do.")
        return
    counts: dict[str, int] = {}
    for step in plan.steps:
        counts[step.verb] = counts.get(step.verb, 0) + 1
    words = {"create": "created", "change": "changed", "remove": "removed", "restart": "restarted or reloaded"}
    out.print(f"{host.name}: " + ", ".join(f"{counts[v]} {words[v]}" for v in words if v in counts) + ".")
    for service in host.services:
        out.print(f"  {service.name}: base_url {host.base_url(service)}")
    if host.runtime == "process":
        out.print("nginx and autostart run in the background; `destroy` ends and removes them.")


def outcomes(done: Sequence[Outcome]) -> None:
    """What became of each host. Raises KitError where one failed, after a line on each."""
    failures = [outcome for outcome in done if outcome.error]
    for outcome in done:
        if outcome.plan:
            deployed(outcome.host, outcome.plan)
        elif outcome.error and len(done) > 1:
            err.print(f"[bold]{outcome.host.name}[/]")
            failed(outcome.error)
    if failures and len(done) == 1 and failures[0].error:
        raise failures[0].error
    if failures:
        names = ", ".join(outcome.host.name for outcome in failures)
        raise KitError(f"{len(failures)} of {len(done)} hosts failed: {names}. The others are done.", code=HOST)


def consent(*, force: bool) -> Callable[[HostStack, Sequence[str]], None]:
    """Whether files that were changed on a host may be overwritten: by option, or by asking."""
    asking = threading.Lock()

    def ask(host: HostStack, paths: Sequence[str]) -> None:
        if force:
            return
        listed = "\n".join(f"  {path}" for path in paths)
        told = f"{host.name}: these files were changed on the host since the last deploy:\n{listed}"
        if sys.stdin.isatty():
            with asking:
                err.print(escape(told))
                if _yes("Overwrite them, and keep what is there now beside as .bak?"):
                    return
        hint = "`plan` shows how. `deploy --force` overwrites them and keeps each beside as .bak."
        raise KitError(f"{told}\nNothing was done.", hint, code=HOST)

    return ask


def status(hosts: Sequence[HostOverview], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([host.data() for host in hosts], indent=2))
        return
    for host in hosts:
        units = ", ".join(f"{unit} {'runs' if runs else 'does not run'}" for unit, runs in host.units.items())
        release = f"release {host.release}, {host.deployed}" if host.release else "not deployed"
        certificate = f"; certificate until {host.certificate}" if host.certificate else ""
        out.print(f"[bold]{host.name}[/]: {release}; {units}{certificate}")
        rows = [
            (
                service.name,
                service.state,
                _ago(service.since) if service.since else "",
                str(service.in_flight),
                "never" if service.last_request is None else f"{_ago(service.last_request)} ago",
                service.model,
                service.url,
            )
            for service in host.services
        ]
        _table(("service", "state", "since", "in flight", "last request", "model", "base_url"), rows)
        for service in host.services:
            if service.error:
                out.print(f"{service.name}: {escape(service.error)}", style="red")


def audit(entries: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(list(entries), indent=2))
        return
    rows = [(str(e["release"]), e["at"], e["by"], e["kit"], f"{len(e['steps'])} steps") for e in entries]
    _table(("release", "at", "by", "kit", "what"), rows)


def findings(found: Mapping[str, Sequence[Finding]], *, as_json: bool) -> bool:
    """Everything that was looked at. Returns whether something is wrong."""
    if as_json:
        print(json.dumps({host: [asdict(finding) for finding in all_] for host, all_ in found.items()}, indent=2))
    else:
        for host, all_ in found.items():
            out.print(f"[bold]{host}[/]")
            for finding in all_:
                sign = "[red]✗[/]" if finding.advice else "[green]✓[/]"
                out.print(f"  {sign} {finding.what}: {escape(finding.found)}")
                if finding.advice:
                    out.print(f"      {escape(finding.advice)}")
    return any(finding.advice for all_ in found.values() for finding in all_)


def confirm_prune(host: HostStack, found: Waste, *, yes: bool) -> bool:
    if not found.images and not found.folders:
        out.print(f"{host.name}: there is nothing to prune.")
        return False
    out.print(f"{host.name}: this frees about {found.size / 1e6:.0f} MB")
    for name in (*found.images, *found.folders):
        out.print(f"  [red]-[/] {escape(name)}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise KitError("Nothing was removed: there is no terminal to ask on.", "--yes removes without asking.", code=2)
    return _yes("Remove them?")


def users(found: Sequence[User], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{"name": user.name, "advice": user.advice} for user in found], indent=2))
    elif not found:
        out.print("No user yet: `users add NAME` makes one.")
    else:
        _table(("user", "advice"), [(user.name, user.advice) for user in found])


def key(host: HostStack, made: Key, *, as_json: bool = False) -> None:
    """A password and its API key: the only time they are shown."""
    if as_json:
        print(json.dumps({"user": made.name, "password": made.password, "api_key": made.api_key}))
        return
    out.print(f"user      {made.name}\npassword  {made.password}\nAPI key   {made.api_key}")
    err.print("They are shown this once; the host keeps only a hash.", style="dim")


def imported(taken: Sequence[User], refused: Sequence[str], *, rotate: bool) -> bool:
    """Tell what was taken. Returns whether users with bad hashes shall get new passwords."""
    out.print(f"{len(taken)} taken, {len(refused)} not.")
    for reason in refused:
        out.print(f"  {escape(reason)}", style="yellow")
    bad = [user for user in taken if user.advice]
    for user in bad:
        out.print(f"  {escape(user.name)}: {user.advice}", style="yellow")
    if not bad or rotate:
        return rotate
    if sys.stdin.isatty():
        return _yes(f"Give {len(bad)} of them new passwords now?")
    out.print("`users rotate NAME` gives a new password.")
    return False


def api_key() -> Secret:
    """GREFFIER_API_KEY, or what is typed unseen. Raises KitError."""
    found = os.environ.get("GREFFIER_API_KEY")
    if not found and sys.stdin.isatty():
        import getpass

        found = getpass.getpass("API key: ")
    if not found:
        raise KitError("No API key was given.", "Set GREFFIER_API_KEY; `users add NAME` makes a key.", code=INVENTORY)
    return Secret(found)


def write(text: str, output: Path | None) -> None:
    if output is None:
        print(text.rstrip("\n"))
        return
    try:
        output.write_text(text)
    except OSError as error:
        print(text.rstrip("\n"))
        raise KitError(f"{output} cannot be written: {error.strerror}. The transcript is above.") from None
    err.print(f"Wrote {escape(str(output))}.")


def confirm_removal(host: HostStack, doomed: Sequence[str], *, yes: bool) -> bool:
    if not doomed:
        out.print(f"{host.name}: there is nothing to remove.")
        return False
    out.print(f"{host.name}: this removes")
    for line in doomed:
        out.print(f"  [red]-[/] {escape(line)}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise KitError("Nothing was removed: there is no terminal to ask on.", "--yes removes without asking.", code=2)
    return _yes("Remove them?")


def _yes(question: str) -> bool:
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not out.is_terminal:
        for row in (head, *rows):
            print("\t".join(row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in head:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table, soft_wrap=False)


def demo(path: Path) -> None:
    """Run the demonstration; on a terminal it stays up until Ctrl-C."""
    from deploy.operations import demo as operation

    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends it as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    stays = err.is_terminal and sys.stdin.isatty()
    with reporter() as report:
        with operation.running(path, report) as (space, host):
            ways = _ways_in(operation.show(space, host, report))
            report.say("")
            if stays:
                report.say(ways)
                with contextlib.suppress(KeyboardInterrupt), report.step("Serving until Ctrl-C"):
                    while True:
                        time.sleep(3600)
            else:
                print(ways, flush=True)
        report.say("Stopped: nothing of it runs any more." + ("" if stays else " On a terminal it stays up."))


def _ways_in(shown: Demonstration) -> str:
    """Ways that work when pasted."""
    host, service, made = shown.host, shown.service, shown.key
    base = host.base_url(service)
    authority, python, sample = map(shlex.quote, (host.layout.authority, sys.executable, str(SAMPLE)))
    program = f"""
from openai import OpenAI
client = OpenAI(base_url="{base}", api_key="{made.api_key}")
with open({json.dumps(str(SAMPLE))}, "rb") as file:
    print(client.audio.transcriptions.create(model="{service.model}", file=file).text)
"""
    waking, answering = f"{shown.waking:.1f} s to wake", f"{shown.whole - shown.waking:.1f} s to transcribe"
    return f"""\
“{shown.text}”

Asleep to transcript in {shown.whole:.1f} s: {waking}, {answering} 11 s of speech.

In a browser (it warns: the certificate is this machine's own)
  {base.removesuffix("/v1")}/docs
  user      {made.name}
  password  {made.password}

With curl
  curl --cacert {authority} \\
    -H 'Authorization: Bearer {made.api_key}' \\
    -F file=@{sample} -F model={service.model} \\
    {base}/audio/transcriptions

With the OpenAI client
  SSL_CERT_FILE={authority} {python} -c {shlex.quote(program)}
"""
