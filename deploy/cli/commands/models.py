"""The models on the hosts."""

from typing import Annotated

import typer

from deploy.cli.commands.options import DEFAULT, HostName, Inventory, Json
from deploy.cli.commands.verbs import Verbs

app = typer.Typer(help="List, verify and fetch the hosts' models.", no_args_is_help=True, cls=Verbs)


@app.command("list")
def list(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """List the models and verify every byte. Exit status 3: one is missing or damaged."""
    from deploy import fleet, workspace
    from deploy.cli import progress, tables, terminal
    from deploy.models import cache

    space = workspace.opened(inventory)
    with progress.reporter() as report:
        outcomes = fleet.each(
            space, workspace.chosen(space, host), lambda chosen, named: cache.holdings(space, chosen, named), report
        )
    wanting = tables.models(outcomes, as_json=as_json)
    terminal.failures(outcomes)
    if wanting:
        raise typer.Exit(3)


@app.command("pull")
def pull(
    model: Annotated[str | None, typer.Argument(help="Default: all that are missing or damaged.")] = None,
    inventory: Inventory = DEFAULT,
    host: HostName = None,
) -> None:
    """Fetch missing or damaged models ahead of a deploy. Nothing else changes."""
    from deploy import fleet, workspace
    from deploy.cli import progress, terminal
    from deploy.models import cache

    space = workspace.opened(inventory)
    with progress.reporter() as report:
        outcomes = fleet.each(
            space,
            workspace.chosen(space, host),
            lambda chosen, named: cache.pull(space, chosen, model, named),
            report,
        )
    for outcome in outcomes:
        if outcome.done is not None:
            fetched = f"fetched {', '.join(outcome.done)}" if outcome.done else "every model is present"
            typer.echo(f"{outcome.host.name}: {fetched}.")
    terminal.failures(outcomes)
