"""How what commands do looks on a terminal, and what they ask there; plain lines in a pipe."""

import contextlib
import json
import os
import shlex
import signal
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rich.markup import escape
from rich.syntax import Syntax

from deploy.adoption.detect import Found, Step
from deploy.cli.progress import err, reporter
from deploy.cli.tables import out
from deploy.client.demo import SAMPLE, Demonstration
from deploy.config.quantities import show_bytes
from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import HOST, INVENTORY, InventoryError, KitError
from deploy.fleet import Outcome
from deploy.reporting import Reporter
from deploy.state.plan import SIGNS, Plan
from deploy.state.users import Key, User
from deploy.types import Secret
from deploy.upkeep.housekeeping import Waste
from deploy.workspace import Workspace

if TYPE_CHECKING:
    from deploy.rollout.apply import Return
    from deploy.rollout.planning import PlannedRollout

COLOURS = {"create": "green", "change": "yellow", "remove": "red", "reload": "cyan", "restart": "cyan"}


def failed(error: KitError) -> None:
    """A sentence, what a failed step printed, and what to do."""
    if error.output.strip():
        err.print(escape(error.output.rstrip()), style="dim")
    for line in error.message.split("\n"):
        err.print(f"[bold red]Error:[/] {escape(line)}")
    if error.hint:
        err.print(escape(error.hint))


def mistakes(space: Workspace) -> None:
    """What is wrong with an inventory that was opened only to look."""
    if space.problems:
        for line in InventoryError(space.problems).message.split("\n"):
            err.print(escape(line), style="yellow")
        err.print("This shows what the hosts have. Fix the inventory before the next deploy.")


def plans(space: Workspace, done: Sequence[Outcome["PlannedRollout"]], *, as_json: bool) -> None:
    """Every step with its reason, each changed file's difference, and what it comes to."""
    rollouts = {outcome.host.name: outcome.done for outcome in done if outcome.done}
    found = {host: rollout.plan for host, rollout in rollouts.items()}
    if as_json:
        steps: dict[str, Any] = {host: _steps(rollout) for host, rollout in rollouts.items()}
        print(json.dumps(steps | {each.host.name: each.failure for each in done if each.error}, indent=2))
        return
    for sentence in space.moved:
        err.print(escape(sentence))
    for host, plan in found.items():
        out.print(f"[bold]{host}[/]" + (": nothing to do." if plan.empty else ""))
        for step in plan.steps:
            colour = COLOURS[step.verb]
            sign = SIGNS[step.verb]
            size = rollouts[host].sizes.get(step.what)
            why = f"{step.why}; about {show_bytes(size)}" if size else step.why
            out.print(f"  [{colour}]{sign}[/] {step.verb} [bold]{escape(step.what)}[/] [dim]({escape(why)})[/]")
            if step.diff and out.is_terminal:
                out.print(Syntax(textwrap.indent(step.diff, "      "), "diff", background_color="default"))
            elif step.diff:
                print(textwrap.indent(step.diff, "      "), end="")
        if not plan.empty:
            out.print(f"  {_totals(rollouts[host])}.")


def _steps(rollout: "PlannedRollout") -> list[dict[str, Any]]:
    """A plan's steps as data; `bytes` is what there is to fetch or to build, where it is known."""
    return [
        {"verb": step.verb, "what": step.what, "why": step.why, "diff": step.diff, "bytes": size}
        for step in rollout.plan.steps
        for size in [rollout.sizes.get(step.what)]
    ]


def _totals(rollout: "PlannedRollout") -> str:
    """`2 to create, 1 to change; about 634 MB of models to fetch`"""
    counts = Counter(step.verb for step in rollout.plan.steps)
    parts = [", ".join(f"{counts[verb]} to {verb}" for verb in SIGNS if counts[verb])]
    fetched = [rollout.sizes.get(f"model {name}") for name in rollout.plan.models]
    if known := sum(size or 0 for size in fetched):
        parts.append(f"about {show_bytes(known)} of models to fetch")
    if unknown := fetched.count(None):
        parts.append(f"{unknown} {'model' if unknown == 1 else 'models'} of unknown size")
    if built := sum(rollout.sizes.get(f"image {image}") or 0 for image in rollout.plan.images):
        parts.append(f"images take about {show_bytes(built)} of disk")
    return "; ".join(parts)


def deployed(host: HostStack, plan: Plan) -> None:
    """What a deploy did, and where the services answer."""
    if plan.empty:
        out.print(f"{host.name}: nothing to do.")
        return
    counts: dict[str, int] = {}
    for step in plan.steps:
        counts[step.verb] = counts.get(step.verb, 0) + 1
    words = {"create": "created", "change": "changed", "remove": "removed"}
    words |= {"reload": "reloaded", "restart": "restarted"}
    out.print(f"{host.name}: " + ", ".join(f"{counts[v]} {words[v]}" for v in words if v in counts) + ".")
    for service in host.services:
        out.print(f"  {service.name}: {_address(host, service, plan.untrusted)}")
        if service.wyoming:
            address, port = service.wyoming
            out.print(f"  {service.name}: Home Assistant at {address} port {port}, without a password")
    if host.runtime == "process":
        out.print("nginx and autostart run in the background. `greffier destroy` stops and removes them.")


def _address(host: HostStack, service: ServiceStack, untrusted: Sequence[str]) -> str:
    """Where a service answers; where its name there has no certificate, another way to it."""
    word = "base_url " if service.own else ""
    ways = dict.fromkeys((host.base_url(service), host.own_url(service)))
    open_ways = [way for way in ways if urlsplit(way).hostname not in untrusted]
    if open_ways:
        return word + open_ways[0]
    way = host.base_url(service)
    return f"{word}{way}, once {urlsplit(way).hostname} has a certificate"


def returned(host: HostStack, done: "Return") -> None:
    """From which release to which a rollback went, and what that changed."""
    if done.plan.empty:
        out.print(f"{host.name}: already at release {done.back}. Nothing to do.")
        return
    out.print(f"{host.name}: rolled back from release {done.before} to {done.back}. This is now release {done.number}.")
    deployed(host, done.plan)
    out.print("The inventory is unchanged: the next `greffier deploy` rolls forward again.")
    out.print(f"`greffier rollback {done.before}` does the same.")


def outcomes(done: Sequence[Outcome[Plan]]) -> None:
    """What became of each host. Raises KitError where one failed, after a line on each."""
    for outcome in done:
        if outcome.done:
            deployed(outcome.host, outcome.done)
    failures(done)


def failures(done: Sequence[Outcome[Any]]) -> None:
    """Tell which hosts failed, and why. Raises KitError where one did."""
    failures = [outcome for outcome in done if outcome.error]
    if len(done) == 1 and done[0].error:
        raise done[0].error
    for outcome in failures:
        assert outcome.error
        err.print(f"[bold]{outcome.host.name}[/]")
        failed(outcome.error)
    if failures:
        names = ", ".join(outcome.host.name for outcome in failures)
        rest = " The others succeeded." if len(failures) < len(done) else ""
        raise KitError(f"{len(failures)} of {len(done)} hosts failed: {names}.{rest}", code=HOST)


@contextlib.contextmanager
def interruptible(space: Workspace) -> Iterator[None]:
    """After Ctrl-C, say whether a host was left in the middle of something."""
    try:
        yield
    except KeyboardInterrupt:
        owed = [host.name for host in space.stack.hosts if space.target(host).owed]
        if owed:
            err.print(f"Interrupted: {', '.join(owed)} has only part of this deploy.")
            err.print("Run `greffier deploy` to finish it. Until then, the previous release may or may not be serving.")
        else:
            err.print("Interrupted before anything in service was changed.")
        raise


def consent(report: Reporter, *, force: bool) -> Callable[[HostStack, Sequence[str]], None]:
    """Whether files that were changed on a host may be overwritten: by option, or by asking."""
    asking = threading.Lock()

    def ask(host: HostStack, paths: Sequence[str]) -> None:
        if force:
            return
        listed = "\n".join(f"  {path}" for path in paths)
        told = f"{host.name}: these files were changed on the host since the last deploy:\n{listed}"
        if sys.stdin.isatty():
            with asking, report.still():
                err.print(escape(told))
                if _yes("Overwrite them, keeping each as .bak?"):
                    return
        hint = "`greffier plan` shows how. `greffier deploy --force` overwrites them and keeps each as .bak."
        raise KitError(f"{told}\nNothing was done.", hint, code=HOST)

    return ask


def confirm_prune(host: HostStack, found: Waste, *, yes: bool) -> bool:
    """Show what `prune` removes, and ask. Returns whether to go on. Raises KitError where nobody can be asked."""
    gone = (*found.containers, *found.images, *found.folders)
    if not gone:
        out.print(f"{host.name}: nothing to prune.")
        return False
    out.print(f"{host.name}: this frees up to {found.size / 1e6:.0f} MB")
    for name in gone:
        out.print(f"  [red]-[/] {escape(name)}")
    return agreed("Remove them?", yes=yes)


def key(host: HostStack, made: Key, *, as_json: bool = False) -> None:
    """A password and its API key: the only time they are shown."""
    if made.service:
        url = next((host.key_url(one, made.api_key) for one in host.services if one.name == made.service), "")
        if as_json:
            print(json.dumps({"user": made.name, "url": url}))
            return
        if not url:
            raise KitError(f"The inventory has no service {made.service}, so its key opens nothing.", code=INVENTORY)
        out.print(f"user      {made.name}\nbase URL  {url}\nOpenAI's  {url}/v1", soft_wrap=True)
        err.print("Shown only once: the host keeps a hash. Whoever has the URL may use the service.", style="dim")
        return
    if as_json:
        print(json.dumps({"user": made.name, "password": made.password, "api_key": made.api_key}))
        return
    out.print(f"user      {made.name}\npassword  {made.password}\nAPI key   {made.api_key}")
    err.print("Shown only once: the host keeps a hash.", style="dim")


def imported(taken: Sequence[User], refused: Sequence[str], *, rotate: bool) -> bool:
    """Tell what was taken. Returns whether users with bad hashes shall get new passwords."""
    out.print(f"{len(taken)} imported, {len(refused)} skipped.")
    for reason in refused:
        out.print(f"  {escape(reason)}", style="yellow")
    bad = [user for user in taken if user.advice]
    for user in bad:
        out.print(f"  {escape(user.name)}: {user.advice}", style="yellow")
    if not bad or rotate:
        return rotate
    if sys.stdin.isatty():
        return _yes(f"Rotate the passwords of {len(bad)} of them now?")
    out.print("`greffier users rotate NAME` sets a new password.")
    return False


def api_key() -> Secret:
    """GREFFIER_API_KEY, or what is typed unseen. Raises KitError."""
    found = os.environ.get("GREFFIER_API_KEY", "").strip()
    if not found and sys.stdin.isatty():
        import getpass

        with contextlib.suppress(EOFError):
            found = getpass.getpass("API key: ").strip()
    if not found:
        raise KitError(
            "No API key was given.", "Set GREFFIER_API_KEY. `greffier users add NAME` creates a key.", code=INVENTORY
        )
    if not (found.isascii() and found.isprintable()):  # no header can carry it
        raise KitError(
            "The API key contains invalid characters.", "`greffier users add NAME` creates a key.", code=INVENTORY
        )
    return Secret(found)


def confirm_restore(host: HostStack, archive: Path, there: Sequence[str], *, yes: bool) -> bool:
    """What a backup is put over."""
    if not there:
        return True
    out.print(f"{host.name} is in use. Restoring {archive} overwrites")
    for line in there:
        out.print(f"  [yellow]~[/] {escape(line)}", soft_wrap=True)
    return agreed("Overwrite them?", yes=yes)


def confirm_removal(host: HostStack, doomed: Sequence[str], *, volumes: bool, yes: bool) -> bool:
    """Show what `destroy` removes, and ask. `doomed` is in words. Raises KitError where nobody can be asked."""
    if not doomed:
        out.print(f"{host.name}: nothing to remove.")
        return False
    out.print(f"{host.name}: this removes")
    for line in doomed:
        out.print(f"  [red]-[/] {escape(line)}")
    if host.runtime == "process":
        out.print(f"  Models stay in {host.layout.models}, shared by every deployment on this machine.", soft_wrap=True)
    elif not volumes:
        out.print("  Models and data stay; --volumes removes them too.")
    return agreed("Remove them?", yes=yes)


def confirm_adoption(host: HostStack, found: Found, *, yes: bool) -> bool:
    """Show what is taken over, and ask. Raises KitError where nobody can be asked."""
    out.print(f"{host.name}: this was set up before Greffier and will be taken over")
    for step in found.steps:
        out.print(f"  [yellow]~[/] {escape(str(step))}: {escape(step.taking)}")
    for user in found.users:
        out.print(f"  [green]+[/] user {escape(user.name)}, with the current password" + _advice(user))
    for line in (*found.refused, *found.notes):
        out.print(f"  {escape(line)}", style="yellow")
    out.print(f"Nothing is deleted: `greffier setup {host.name} --undo-adopt` restores it.")
    out.print(
        "Models and images are fetched first. Between the end of this setup and of the deploy, nothing is served."
    )
    return agreed("Take it over?", yes=yes)


def confirm_return(host: HostStack, steps: Sequence[Step], doomed: Sequence[str], *, yes: bool) -> bool:
    """Greffier goes, and what was there before comes back."""
    out.print(f"{host.name}: this removes")
    for line in doomed:
        out.print(f"  [red]-[/] {escape(line)}")
    out.print("  Models and data stay. It restores")
    for step in steps:
        out.print(f"  [green]+[/] {escape(str(step))}")
    return agreed("Restore it?", yes=yes)


def _advice(user: User) -> str:
    return f" ([yellow]{user.advice}[/])" if user.advice else ""


def agreed(question: str, *, yes: bool) -> bool:
    """By option, or by asking. Raises KitError where nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise KitError("Nothing was done: confirmation needs a terminal.", "Pass --yes to confirm.", code=2)
    return yes or _yes(question)


def _yes(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        print()
        return False


def demo(path: Path) -> None:
    """Run the demonstration; on a terminal it stays up until Ctrl-C."""
    from deploy.client import demo as operation

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
        report.say("Stopped: nothing is left running." + ("" if stays else " On a terminal, it stays up until Ctrl-C."))


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

In a browser (expect a warning: this machine signed the certificate)
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
