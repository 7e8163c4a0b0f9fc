"""The lock of a host."""

import typer

from deploy.cli.commands.options import DEFAULT, HostName, Inventory
from deploy.cli.commands.verbs import Verbs

app = typer.Typer(help="Show or release the lock that keeps deploys of a host apart.", no_args_is_help=True, cls=Verbs)


@app.command("status")
def status(inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Show who holds a host's lock."""
    from deploy import fleet, workspace
    from deploy.cli import progress, terminal

    space = workspace.glimpsed(inventory)
    with progress.reporter() as report:
        outcomes = fleet.each(
            space, workspace.chosen(space, host), lambda chosen, _: space.target(chosen).holder() or "nobody", report
        )
    for outcome in outcomes:
        if outcome.done:
            typer.echo(f"{outcome.host.name}: {outcome.done}")
    terminal.failures(outcomes)


@app.command("release")
def release(inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Stop the command that holds a host's lock. The next deploy finishes its work."""
    from deploy import fleet, workspace
    from deploy.cli import terminal

    space = workspace.glimpsed(inventory)
    outcomes = fleet.in_turn(
        workspace.chosen(space, host),
        lambda chosen: "released" if space.target(chosen).release_lock() else "nobody held the lock",
    )
    for outcome in outcomes:
        if outcome.done:
            typer.echo(f"{outcome.host.name}: {outcome.done}")
    terminal.failures(outcomes)
