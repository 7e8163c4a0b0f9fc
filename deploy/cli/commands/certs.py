"""The certificates of the hosts."""

import typer

from deploy.cli.commands.options import DEFAULT, HostName, Inventory, Json
from deploy.cli.commands.verbs import Verbs

app = typer.Typer(help="Show and renew the hosts' certificates.", no_args_is_help=True, cls=Verbs)


@app.command("status")
def status(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Show each host's certificate and who renews it. Exit status 3: one needs attention."""
    from deploy import fleet, workspace
    from deploy.certificates import renewal
    from deploy.cli import progress, tables, terminal

    space = workspace.glimpsed(inventory)
    terminal.mistakes(space)
    with progress.reporter() as report:
        outcomes = fleet.each(
            space, workspace.chosen(space, host), lambda chosen, _: renewal.standing(space, chosen), report
        )
    wanting = tables.certificates(outcomes, as_json=as_json)
    terminal.failures(outcomes)
    if wanting:
        raise typer.Exit(3)


@app.command("renew")
def renew(inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Renew a certificate now. Let's Encrypt issues five a week for the same names."""
    from deploy import fleet, workspace
    from deploy.certificates import renewal
    from deploy.cli import progress, terminal

    space = workspace.opened(inventory)
    with progress.reporter() as report:
        outcomes = fleet.each(
            space,
            workspace.chosen(space, host),
            lambda chosen, named: renewal.renew(chosen, space.target(chosen), named),
            report,
        )
    for outcome in outcomes:
        if outcome.done:
            typer.echo(f"{outcome.host.name}: {outcome.done}.")
    terminal.failures(outcomes)
