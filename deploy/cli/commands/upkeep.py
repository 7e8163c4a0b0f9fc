"""What an operator does before the first deploy, after one went wrong, and over the year."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands import completion
from deploy.cli.commands.options import DEFAULT, Force, HostName, Inventory, Json, Yes

if TYPE_CHECKING:
    from deploy.config.stack import HostStack
    from deploy.workspace import Workspace

app = typer.Typer()


@app.command()
def setup(
    name: Annotated[
        str, typer.Argument(metavar="HOST", help="Name of the host in the inventory.", autocompletion=completion.hosts)
    ],
    inventory: Inventory = DEFAULT,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over what was set up by hand; shows it first.")] = False,
    undo_adopt: Annotated[
        bool, typer.Option("--undo-adopt", help="Remove Greffier and restore what was taken over.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Prepare a Debian or Ubuntu host. Installs Docker, nginx, certbot and autostart; safe to repeat."""
    from deploy import workspace
    from deploy.adoption import adopt as adoption
    from deploy.cli import progress, terminal
    from deploy.rollout import apply
    from deploy.setup import prepare

    space = workspace.opened(inventory)
    host = prepare.find(space.stack.hosts, name)
    target = space.target(host)
    if undo_adopt:
        return _undo_adopt(space, host, yes=yes)
    with progress.reporter() as report, report.step(f"Connecting to {host.address}"):
        prepare.bootstrap(workspace.way(host))
        if not adopt:
            adoption.refuse(host, target)
    found = adoption.look(host, target) if adopt else None
    if found:
        workspace.example_domains(space)
        adoption.check(host, found)
        if not terminal.confirm_adoption(host, found, yes=yes):
            return
    elif adopt:
        typer.echo(f"{name}: nothing to take over.")
    with progress.reporter() as report:
        done = prepare.run(host, target, report)
        if found:
            apply.prepare(space, host, report)  # so that little is left for the time in which nobody is served
            done += adoption.take(host, target, found, report)
    for sentence in done:
        typer.echo(f"{name}: {sentence}.")
    typer.echo(f"{name} is ready. Next: greffier deploy" if done else f"{name} was already set up.")


def _undo_adopt(space: "Workspace", host: "HostStack", *, yes: bool) -> None:
    from deploy.adoption import adopt
    from deploy.cli import progress, terminal
    from deploy.upkeep import destroy

    steps = adopt.taken(host, space.target(host))
    if terminal.confirm_return(host, steps, destroy.doomed(space, host, volumes=False), yes=yes):
        with progress.reporter() as report:
            adopt.undo(space, host, destroy.clear, report)
        typer.echo(f"{host.name}: restored to its state before Greffier.")


@app.command()
def rollback(
    number: Annotated[int | None, typer.Argument(help="Release to roll back to. Default: the previous one.")] = None,
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    force: Force = False,
) -> None:
    """Roll a host back to an earlier release. The last five are kept."""
    from deploy import workspace
    from deploy.cli import progress, terminal
    from deploy.rollout import apply

    space = workspace.opened(inventory)
    chosen = space.host(host)
    with terminal.interruptible(space), progress.reporter() as report:
        done = apply.rollback(space, chosen, number, report, terminal.consent(report, force=force))
    terminal.returned(chosen, done)


@app.command()
def audit(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Show who deployed what, and when."""
    from deploy import workspace
    from deploy.cli import tables, terminal
    from deploy.state import releases

    space = workspace.glimpsed(inventory)
    terminal.mistakes(space)
    tables.audit(releases.history(space.target(space.host(host))), as_json=as_json)


@app.command()
def doctor(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Diagnose the hosts and say how to fix what is wrong. Exit status 3: something is wrong."""
    from deploy import fleet, workspace
    from deploy.cli import progress, tables, terminal
    from deploy.upkeep import doctor

    space = workspace.glimpsed(inventory)
    with progress.reporter() as report:
        outcomes = fleet.each(
            space, workspace.chosen(space, host), lambda chosen, named: doctor.examine(space, chosen, named), report
        )
    wrong = tables.findings(outcomes, as_json=as_json)
    terminal.failures(outcomes)
    if wrong:
        raise typer.Exit(3)


@app.command()
def prune(inventory: Inventory = DEFAULT, host: HostName = None, yes: Yes = False) -> None:
    """Remove what is no longer used. That is containers that belong to no service, and images and code that neither of
    the last two releases uses. Shows first what it frees."""
    from deploy import fleet, workspace
    from deploy.cli import terminal
    from deploy.upkeep import housekeeping

    space = workspace.opened(inventory)

    def pruned(chosen: "HostStack") -> None:
        found = housekeeping.waste(space, chosen)
        if terminal.confirm_prune(chosen, found, yes=yes):
            housekeeping.prune(space, chosen, found)
            typer.echo(f"{chosen.name}: removed.")

    terminal.failures(fleet.in_turn(workspace.chosen(space, host), pruned))


@app.command()
def backup(
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Archive to write. Default: greffier-<host>-<date>.tar.gz.")
    ] = None,
) -> None:
    """Save what a deploy cannot recreate. Settings, users, certificates and data in one archive, without models."""
    from deploy import workspace
    from deploy.cli import progress
    from deploy.upkeep import housekeeping

    space = workspace.opened(inventory)
    chosen = space.host(host)
    path = out or Path(f"greffier-{chosen.name}-{dt.date.today()}.tar.gz")
    with progress.reporter() as report:
        housekeeping.backup(space, chosen, path, report)
    typer.echo(f"Wrote {path}. It contains secrets: keep it safe.")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="Archive that `backup` wrote.")],
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    yes: Yes = False,
) -> None:
    """Restore a backup to a host that is set up. Deploy to it afterwards. Asks first if the host is in use."""
    from deploy import workspace
    from deploy.cli import progress, terminal
    from deploy.upkeep import housekeeping

    space = workspace.opened(inventory)
    chosen = space.host(host)
    content = housekeeping.backed_up(chosen, archive)
    if not terminal.confirm_restore(chosen, archive, housekeeping.in_use(space, chosen), yes=yes):
        return
    with progress.reporter() as report:
        housekeeping.restore(space, chosen, archive, content, report)
    typer.echo(f"{chosen.name}: restored. Run `greffier deploy` for the rest: models, images, containers.")


@app.command()
def destroy(
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    yes: Yes = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also remove the models and the services' data.")] = False,
) -> None:
    """Uninstall Greffier from a host. Users and certificates too; shows what it removes and asks first."""
    from deploy import fleet, workspace
    from deploy.adoption import journal
    from deploy.cli import progress, terminal
    from deploy.upkeep import destroy

    space = workspace.opened(inventory)

    def destroyed(chosen: "HostStack") -> None:
        doomed = destroy.doomed(space, chosen, volumes=volumes)
        if terminal.confirm_removal(chosen, doomed, volumes=volumes, yes=yes):
            with progress.reporter() as report, report.step(f"Removing Greffier from {chosen.name}"):
                destroy.run(space, chosen, volumes=volumes)
            typer.echo(f"{chosen.name}: removed.")
            if journal.read(space.target(chosen)):
                typer.echo(f"`greffier setup {chosen.name} --undo-adopt` restores what was there before Greffier.")

    terminal.failures(fleet.in_turn(workspace.chosen(space, host), destroyed))
