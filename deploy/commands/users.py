"""Who may call the services."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.options import DEFAULT, HostName, Inventory, Json, User
from deploy.commands.verbs import Verbs

app = typer.Typer(
    help="Who may call the services. Changes are at once, without a deploy.", no_args_is_help=True, cls=Verbs
)


@app.command("add")
def add(name: User, inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Make a user; the password and the API key are generated and shown once."""
    from deploy import console
    from deploy.operations import users, workspace

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    console.key(chosen, users.add(space.target(chosen), chosen.layout, name), as_json=as_json)


@app.command("rotate")
def rotate(name: User, inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Give a user a new password; the old one ends at once, and so do the websockets opened with it."""
    from deploy import console
    from deploy.operations import control, users, workspace

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    console.key(chosen, users.rotate(target, chosen.layout, name), as_json=as_json)
    control.dismiss(chosen, target, name)


@app.command("list")
def list(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """List the users."""
    from deploy import views
    from deploy.operations import users, workspace

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    views.users(users.listed(space.target(chosen), chosen.layout), as_json=as_json)


@app.command("remove")
def remove(name: User, inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Take a user away; the password ends at once, and so do the websockets opened with it."""
    from deploy.operations import control, users, workspace

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    users.remove(target, chosen.layout, name)
    typer.echo(f"{name} is removed.")
    control.dismiss(chosen, target, name)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An htpasswd file.")],
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Give new passwords to users with slow or weak hashes.")
    ] = False,
) -> None:
    """Take over the users of another htpasswd file, with their passwords."""
    from deploy import console
    from deploy.operations import users, workspace

    space = workspace.glimpsed(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    taken, refused = users.take(target, chosen.layout, users.text_of(file))
    if console.imported(taken, refused, rotate=rotate):
        for user in taken:
            if user.advice:
                console.key(chosen, users.rotate(target, chosen.layout, user.name))
