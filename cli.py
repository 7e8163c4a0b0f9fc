#!/usr/bin/env python3
"""Greffier: speech to text on your own machine, deployed from one inventory.yml.

Every command imports what it needs when it runs, so that `--help` is at once.
"""

import contextlib
import gc
import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.commands import certs, completion, jobs, lock, models, upkeep, users, verbs
from deploy.cli.commands.options import DEFAULT, Alone, Force, HostName, Inventory, Json, Service

app = typer.Typer(
    name="greffier",
    help="Speech to text on your own machine, deployed from one inventory.yml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    cls=verbs.Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def greffier(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=verbs.version, is_eager=True)
    ] = False,
) -> None:
    """Speech to text on your own machine, deployed from one inventory.yml."""


@app.command()
def init(
    domain: Annotated[str, typer.Option(help="Your domain. Services answer at <name>.<domain>.")] = "",
    path: Annotated[Path, typer.Argument(help="File to write.")] = DEFAULT,
) -> None:
    """Write an annotated inventory. On a terminal, it asks for what it needs."""
    from deploy.cli import prompts
    from deploy.config import example

    example.init(path, example.First(domain) if domain else prompts.first(path))
    named = "" if path == DEFAULT else f" --inventory {path}"
    typer.echo(f"Wrote {path}. Edit it, then run: greffier check{named}")


@app.command()
def check(inventory: Inventory = DEFAULT) -> None:
    """Validate the inventory and its secrets. Contacts no host; asks the hub about gated models."""
    from deploy.rollout import offline

    space, notes = offline.checked(inventory)
    for host in space.stack.hosts:
        names = ", ".join(host.names) or "no service"
        typer.echo(f"{host.name} ({host.runtime}): {names}")
        for service in host.services:
            if service.own:
                typer.echo(f"  {service.name}: {offline.needs(service)}")
            if service.exposed:
                typer.echo(
                    f"  {service.name}: anyone who reaches {service.exposed} may use it: Wyoming has no password."
                )
    for note in notes:
        typer.echo(note)
    typer.echo(f"{inventory} is valid.")


@app.command()
def schema() -> None:
    """Print the inventory's JSON Schema, for editors."""
    from deploy.config import schema

    typer.echo(schema.text())


@app.command()
def render(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")], inventory: Inventory = DEFAULT
) -> None:
    """Render every file that a deploy would write. Secrets stay references. No host is contacted, so the nginx files
    use `listen ... http2`, which every version accepts; a deploy writes `http2 on` where nginx is 1.25.1 or newer."""
    from deploy.rollout import offline

    for path in offline.render(inventory, out):
        typer.echo(path)


@app.command()
def plan(inventory: Inventory = DEFAULT, host: HostName = None, service: Alone = None, as_json: Json = False) -> None:
    """Show what a deploy would change. Exit status 0: nothing. 4: something."""
    from deploy import workspace

    space = workspace.opened(inventory, claim=True)
    workspace.example_domains(space)
    hosts = workspace.chosen(space, host, service)
    workspace.approach(space, hosts)
    # What takes long to import, while the hosts answer.
    from deploy import fleet
    from deploy.cli import progress, terminal
    from deploy.rollout import planning, target_state

    with progress.reporter() as report:
        outcomes = fleet.each(
            space,
            hosts,
            lambda chosen, _: planning.plan_rollout(space, chosen, target_state.of(space, service)),
            report,
        )
    terminal.plans(space, outcomes, as_json=as_json)
    terminal.failures(outcomes)
    if any(outcome.done and not outcome.done.plan.empty for outcome in outcomes):
        raise typer.Exit(4)


@app.command()
def deploy(inventory: Inventory = DEFAULT, host: HostName = None, service: Alone = None, force: Force = False) -> None:
    """Deploy the inventory to its hosts. Hosts are deployed in parallel; if one fails, the others go on.
    Exit status 3: a host failed, or one of its names has no certificate."""
    from deploy import workspace

    space = workspace.opened(inventory, claim=True)
    workspace.example_domains(space)
    hosts = workspace.chosen(space, host, service)
    workspace.approach(space, hosts)
    # What takes long to import, while the hosts answer.
    from deploy import fleet
    from deploy.cli import progress, terminal
    from deploy.rollout import apply, target_state

    with terminal.interruptible(space), progress.reporter() as report:
        for sentence in space.moved:
            report.say(sentence)
        consent = terminal.consent(report, force=force)
        outcomes = fleet.each(
            space,
            hosts,
            lambda chosen, named: apply.deploy(space, chosen, named, consent, target_state.of(space, service)),
            report,
        )
    terminal.outcomes(outcomes)
    if any(outcome.done and outcome.done.untrusted for outcome in outcomes):
        raise typer.Exit(3)


@app.command()
def status(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Show which services are running or asleep. Also memory, last requests, certificates, releases and drift."""
    from deploy import fleet, workspace
    from deploy.cli import progress, tables, terminal
    from deploy.upkeep import status

    space = workspace.glimpsed(inventory)
    terminal.mistakes(space)
    with progress.reporter() as report:
        outcomes = fleet.each(space, workspace.chosen(space, host), lambda chosen, _: status.of(space, chosen), report)
    tables.status(outcomes, as_json=as_json)
    terminal.failures(outcomes)


@app.command()
def wake(service: Service, inventory: Inventory = DEFAULT) -> None:
    """Start a sleeping service and wait until it is ready."""
    from deploy import workspace
    from deploy.cli import progress
    from deploy.runtime import control

    space = workspace.glimpsed(inventory)
    chosen, found = workspace.service(space, service)
    with progress.reporter() as report, report.step(f"Waking {found.name}"):
        control.wake(chosen, space.target(chosen), found.name)
    typer.echo(f"{found.name} is ready.")


@app.command()
def sleep(service: Service, inventory: Inventory = DEFAULT) -> None:
    """Put a service to sleep, unless it has a request in flight."""
    from deploy import workspace
    from deploy.cli import progress
    from deploy.runtime import control

    space = workspace.glimpsed(inventory)
    chosen, found = workspace.service(space, service)
    with progress.reporter() as report, report.step(f"Putting {found.name} to sleep"):
        control.sleep(chosen, space.target(chosen), found.name)
    typer.echo(f"{found.name} is asleep.")


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, autostart or nginx.", autocompletion=completion.logs)],
    inventory: Inventory = DEFAULT,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Number of lines to show first.")] = 100,
) -> None:
    """Show the log of a service, autostart or nginx. In a pipe, lines are printed unchanged."""
    from deploy import workspace
    from deploy.cli import tables
    from deploy.runtime import logs

    space = workspace.glimpsed(inventory)
    host = logs.host_of(space.stack.hosts, service)
    for line in logs.read(host, space.target(host), service, lines, follow=follow):
        tables.log(line)


@app.command()
def restart(service: Service, inventory: Inventory = DEFAULT) -> None:
    """Restart a service without dropping requests. Those in flight finish; new ones go to a second container, or wait
    if two do not fit in memory."""
    from deploy import workspace
    from deploy.cli import progress
    from deploy.rollout import apply

    space = workspace.glimpsed(inventory)
    chosen, found = workspace.service(space, service)
    with progress.reporter() as report:
        apply.restart(space, chosen, found.name, report)
    typer.echo(f"{found.name} is ready.")


@app.command()
def transcribe(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Audio or video files, folders of them, URLs (https://…), or - for standard input."
        ),
    ],
    inventory: Inventory = DEFAULT,
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", help="Service to use. Default: the first.", autocompletion=completion.services),
    ] = None,
    base_url: Annotated[
        str,
        typer.Option(
            "--base-url",
            "-u",
            help="URL of a service, such as https://whisper.example.org/v1; needs no inventory.",
        ),
    ] = "",
    response_format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="text, json, verbose_json, diarized_json, srt or vtt.",
            autocompletion=completion.formats,
        ),
    ] = "text",
    language: Annotated[
        str, typer.Option("--language", "-l", help="Language code, such as en. Default: detected.")
    ] = "",
    track: Annotated[
        int | None,
        typer.Option(
            "--track", "-t", min=1, help="Audio track of a video, counted from 1. Default: the track marked as default."
        ),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print text as it is transcribed.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Output file; with several inputs, the folder for their transcripts."),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Transcribe the folders below a folder as well.")
    ] = False,
) -> None:
    """Transcribe files; of a folder, all of them as jobs. Reads the API key from GREFFIER_API_KEY, or asks for it.

    The transcripts of a folder are written beside the recordings. After an interruption, the same command continues."""
    from deploy import workspace
    from deploy.cli import progress, terminal, transcripts
    from deploy.client import endpoints, transcribe

    wish = transcribe.Wish(response_format, language, track, transcripts.hear if stream and output is None else None)
    transcribe.check(wish)
    callee = endpoints.at(base_url) if base_url else endpoints.of(workspace.glimpsed(inventory), service)
    key = terminal.api_key()
    with progress.reporter() as report:
        if transcripts.has_folder(sources):
            transcripts.folders(callee, sources, output, wish, key, report, recursive=recursive)
            return
        transcripts.each(
            sources, output, wish, lambda source: transcribe.run(callee, source, wish, key, report), report
        )


@app.command()
def demo(
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", help="Default: Greffier's examples/demo.yml.")
    ] = None,
) -> None:
    """Deploy the example on this machine and transcribe real speech with it."""
    from deploy.cli import terminal
    from deploy.client import demo

    terminal.demo(demo.default() if inventory is None else inventory)


app.registered_commands += upkeep.app.registered_commands
app.add_typer(users.app, name="users")
app.add_typer(certs.app, name="certs")
app.add_typer(models.app, name="models")
app.add_typer(lock.app, name="lock")
app.add_typer(jobs.app, name="jobs")


def main() -> None:
    """Run the application; whatever goes wrong is a sentence and a status, never a stack trace."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack a letter of what was said
    try:
        try:
            app()
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # which typer and rich make a failure
                raise end.__context__ from None
            if sys.stdout:
                sys.stdout.flush()  # here, where it can still be told that this fails
            raise
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # whoever reads what is printed has had enough of it
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        from deploy import unexpected
        from deploy.cli import terminal

        told = unexpected.as_kit_error(error)
        with contextlib.suppress(OSError, SystemExit):  # nobody reads it
            terminal.failed(told)
        sys.exit(told.code)
    finally:
        gc.freeze()  # the interpreter would look through all there is once more, to no end
        _let_go_of_output()


def _let_go_of_output() -> None:
    """The interpreter would try once more to write what could not be written, and complain."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
