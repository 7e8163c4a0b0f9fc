"""Who may call the services."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.commands.options import DEFAULT, HostName, Inventory, Json, User
from deploy.cli.commands.verbs import Verbs

app = typer.Typer(
    help="Manage who may call the services. Takes effect at once, without a deploy.", no_args_is_help=True, cls=Verbs
)


@app.command("add")
def add(
    name: User,
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    url_key: Annotated[
        bool, typer.Option("--url-key", help="Put the key into a base URL, for clients that have no other setting.")
    ] = False,
    service: Annotated[
        str | None, typer.Option("--service", help="With --url-key: the service it is for. Default: the only one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a user. The password and the API key are generated and shown once."""
    from deploy import workspace
    from deploy.cli import terminal
    from deploy.errors import INVENTORY, KitError
    from deploy.state import users

    space = workspace.glimpsed(inventory)
    if service and not url_key:
        raise KitError("--service belongs to --url-key: other keys are good for all services.", code=INVENTORY)
    chosen, only = workspace.alone(space, host, service) if url_key else (space.host(host), "")
    terminal.key(chosen, users.add(space.target(chosen), chosen.layout, name, only), as_json=as_json)


@app.command("rotate")
def rotate(name: User, inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Replace a user's password. The old one stops working at once, and websockets opened with it are closed."""
    from deploy import workspace
    from deploy.cli import terminal
    from deploy.runtime import control
    from deploy.state import users

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    terminal.key(chosen, users.rotate(target, chosen.layout, name), as_json=as_json)
    control.dismiss(chosen, target, name)


@app.command("list")
def list(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """List the users."""
    from deploy import workspace
    from deploy.cli import tables
    from deploy.state import users

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    tables.users(users.listed(space.target(chosen), chosen.layout), as_json=as_json)


@app.command("remove")
def remove(name: User, inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Remove a user. The password stops working at once, and websockets opened with it are closed."""
    from deploy import workspace
    from deploy.runtime import control
    from deploy.state import users

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    users.remove(target, chosen.layout, name)
    typer.echo(f"Removed {name}.")
    control.dismiss(chosen, target, name)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="htpasswd file to import.")],
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Rotate the passwords of users with slow or weak hashes.")
    ] = False,
) -> None:
    """Import the users of an htpasswd file, with their passwords."""
    from deploy import workspace
    from deploy.cli import terminal
    from deploy.state import users

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    taken, refused = users.take(target, chosen.layout, users.text_of(file))
    if terminal.imported(taken, refused, rotate=rotate):
        for user in taken:
            if user.advice:
                terminal.key(chosen, users.rotate(target, chosen.layout, user.name))
