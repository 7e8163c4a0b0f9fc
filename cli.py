#!/usr/bin/env python3
"""Greffier: speech to text on your own machine, deployed from one inventory.yml.

Every command imports what it needs when it runs, so that `--help` is at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="greffier",
    help="Speech to text on your own machine, deployed from one inventory.yml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
users = typer.Typer(help="Who may call the services: takes effect at once, without a deploy.", no_args_is_help=True)
app.add_typer(users, name="users")
lock = typer.Typer(help="The lock that keeps two deploys of one host apart.", no_args_is_help=True)
app.add_typer(lock, name="lock")

Inventory = Annotated[
    Path, typer.Option("--inventory", "-i", help="The inventory.", envvar="GREFFIER_INVENTORY", show_default=True)
]
HostName = Annotated[str | None, typer.Option("--host", help="Host to act on, where there are several.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Service = Annotated[str, typer.Argument(help="Name of the service in the inventory.")]
User = Annotated[str, typer.Argument(help="User name: letters, digits and ._@-")]
DEFAULT = Path("inventory.yml")


@app.command()
def init(
    domain: Annotated[str, typer.Option(help="Your domain; services answer at <name>.<domain>.")] = "",
    path: Annotated[Path, typer.Argument(help="File to write.")] = DEFAULT,
) -> None:
    """Write a first, annotated inventory."""
    from deploy.operations import inventories

    inventories.init(path, domain)
    typer.echo(f"Wrote {path}. Edit it, then: greffier check --inventory {path}")


@app.command()
def check(inventory: Inventory = DEFAULT) -> None:
    """Check the inventory and the secrets it refers to, without touching any host."""
    from deploy.operations import inventories

    space = inventories.checked(inventory)
    for host in space.stack.hosts:
        names = ", ".join(service.hostname for service in host.services) or "no service"
        typer.echo(f"{host.name} ({host.runtime}): {names}")
    typer.echo(f"{inventory} is right.")


@app.command()
def schema() -> None:
    """Print the inventory's JSON Schema, for editors."""
    from deploy.operations import inventories

    typer.echo(inventories.schema())


@app.command()
def render(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")], inventory: Inventory = DEFAULT
) -> None:
    """Write every file that the hosts would get; secrets stay references."""
    from deploy.operations import inventories

    for path in inventories.render(inventory, out):
        typer.echo(path)


@app.command()
def plan(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Show what deploy would do. Status 0: nothing. Status 4: something."""
    from deploy import console
    from deploy.operations import survey, workspace

    space = workspace.opened(inventory, claim=True)
    workspace.example_domains(space)
    found = {h.name: survey.look(space, h).plan for h in workspace.chosen(space, host)}
    console.plans(space, found, as_json=as_json)
    if any(not p.empty for p in found.values()):
        raise typer.Exit(4)


@app.command()
def deploy(inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Bring the hosts to what the inventory says."""
    from deploy import console
    from deploy.operations import apply, workspace

    space = workspace.opened(inventory, claim=True)
    workspace.example_domains(space)
    with console.reporter() as report:
        for sentence in space.moved:
            report.say(sentence)
        for chosen in workspace.chosen(space, host):
            done = apply.deploy(space, chosen, report)
            console.deployed(chosen, done)


@app.command()
def setup(
    name: Annotated[str, typer.Argument(metavar="HOST", help="Name of the host in the inventory.")],
    inventory: Inventory = DEFAULT,
) -> None:
    """Make a bare Debian or Ubuntu host ready: Docker, nginx, certbot and autostart. Safe to repeat."""
    from deploy import console
    from deploy.operations import setup, workspace

    space = workspace.opened(inventory)
    host = setup.find(space.stack.hosts, name)
    with console.reporter() as report:
        with report.step(f"Reaching {host.address}"):
            setup.bootstrap(workspace.way(host))
        done = setup.run(host, space.target(host), report)
    for sentence in done:
        typer.echo(f"{name}: {sentence}.")
    typer.echo(f"{name} is ready: deploy to it." if done else f"{name} was ready already.")


@app.command()
def status(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Show what runs, what sleeps, and where it answers."""
    from deploy import console
    from deploy.operations import overview, workspace

    space = workspace.opened(inventory)
    console.status([overview.of(space, chosen) for chosen in workspace.chosen(space, host)], as_json=as_json)


@app.command()
def wake(service: Service, inventory: Inventory = DEFAULT) -> None:
    """Start a sleeping service and wait until it is ready."""
    from deploy import console
    from deploy.operations import control, workspace

    space = workspace.opened(inventory)
    chosen, found = workspace.service(space, service)
    with console.reporter() as report, report.step(f"Waking {found.name}"):
        control.wake(chosen, space.target(chosen), found.name)
    typer.echo(f"{found.name} is ready.")


@app.command()
def sleep(service: Service, inventory: Inventory = DEFAULT) -> None:
    """Put a service to sleep, unless it has a request in flight."""
    from deploy import console
    from deploy.operations import control, workspace

    space = workspace.opened(inventory)
    chosen, found = workspace.service(space, service)
    with console.reporter() as report, report.step(f"Putting {found.name} to sleep"):
        control.sleep(chosen, space.target(chosen), found.name)
    typer.echo(f"{found.name} is asleep.")


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="Name of a service, or autostart, or nginx.")],
    inventory: Inventory = DEFAULT,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines to begin with.")] = 100,
) -> None:
    """Show the log of a service, of autostart or of nginx."""
    from deploy.operations import logs, workspace

    for line in logs.read(workspace.opened(inventory), service, lines, follow=follow):
        typer.echo(line)


@app.command()
def restart(service: Service, inventory: Inventory = DEFAULT) -> None:
    """Stop a service when it has finished its requests, and start it again; new requests wait meanwhile."""
    from deploy import console
    from deploy.operations import control, workspace

    space = workspace.opened(inventory)
    chosen, found = workspace.service(space, service)
    with console.reporter() as report, report.step(f"Restarting {found.name}"):
        control.restart(chosen, space.target(chosen), found.name)
    typer.echo(f"{found.name} is ready.")


@app.command()
def rollback(
    number: Annotated[int | None, typer.Argument(help="Release to go back to. Default: the one before.")] = None,
    inventory: Inventory = DEFAULT,
    host: HostName = None,
) -> None:
    """Bring a host back to an earlier release; the last five are kept."""
    from deploy import console
    from deploy.operations import apply, workspace

    space = workspace.opened(inventory)
    chosen = space.host(host)
    with console.reporter() as report:
        done = apply.rollback(space, chosen, number, report)
    console.deployed(chosen, done)


@app.command()
def audit(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Show who deployed what, and when."""
    from deploy import console
    from deploy.operations import releases, workspace

    space = workspace.opened(inventory)
    console.audit(releases.history(space.target(space.host(host))), as_json=as_json)


@app.command()
def doctor(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Look for what is wrong with the hosts, and say what to do about each. Status 3: something is."""
    from deploy import console
    from deploy.operations import doctor, workspace

    space = workspace.opened(inventory)
    found = {chosen.name: doctor.examine(space, chosen) for chosen in workspace.chosen(space, host)}
    if console.findings(found, as_json=as_json):
        raise typer.Exit(3)


@app.command()
def prune(inventory: Inventory = DEFAULT, host: HostName = None, yes: Yes = False) -> None:
    """Remove images and code that neither of the last two releases uses; says first what that frees."""
    from deploy import console
    from deploy.operations import housekeeping, workspace

    space = workspace.opened(inventory)
    for chosen in workspace.chosen(space, host):
        found = housekeeping.waste(space, chosen)
        if console.confirm_prune(chosen, found, yes=yes):
            housekeeping.prune(space, chosen, found)
            typer.echo(f"{chosen.name}: removed.")


@app.command()
def backup(
    out: Annotated[Path, typer.Option("--out", "-o", help="Archive to write; it holds secrets.")],
    inventory: Inventory = DEFAULT,
    host: HostName = None,
) -> None:
    """Save settings, users, certificates and data of a host (no models) into one archive."""
    from deploy import console
    from deploy.operations import housekeeping, workspace

    space = workspace.opened(inventory)
    with console.reporter() as report:
        housekeeping.backup(space, space.host(host), out, report)
    typer.echo(f"Wrote {out}. It holds secrets: keep it safe.")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="What backup wrote.")],
    inventory: Inventory = DEFAULT,
    host: HostName = None,
) -> None:
    """Put a backup back onto a host that was set up; then deploy to it."""
    from deploy import console
    from deploy.operations import housekeeping, workspace

    space = workspace.opened(inventory)
    with console.reporter() as report:
        housekeeping.restore(space, space.host(host), archive, report)
    typer.echo("Restored. `deploy` does what is left: models, images, containers.")


@app.command()
def transcribe(
    file: Annotated[Path, typer.Argument(help="Audio or video file.")],
    inventory: Inventory = DEFAULT,
    service: Annotated[str | None, typer.Option("--service", "-s", help="Service to use. Default: the first.")] = None,
    response_format: Annotated[
        str, typer.Option("--format", "-f", help="text, json, verbose_json, srt or vtt.")
    ] = "text",
    language: Annotated[
        str, typer.Option("--language", "-l", help="Language code, such as en; detected if not given.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write to; a service's answer in full.")
    ] = None,
) -> None:
    """Transcribe a file. The API key is taken from GREFFIER_API_KEY, or asked for."""
    from deploy import console
    from deploy.operations import transcribe, workspace

    space = workspace.opened(inventory)
    with console.reporter() as report:
        text = transcribe.run(space, file, service, response_format, language, console.api_key(), report)
    console.write(text, output)


@app.command()
def destroy(
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    yes: Yes = False,
    volumes: Annotated[bool, typer.Option("--volumes", help="Remove the models too.")] = False,
) -> None:
    """Stop everything and remove what Greffier put on a host, users and certificates included."""
    from deploy import console
    from deploy.operations import destroy, workspace

    space = workspace.opened(inventory)
    for chosen in workspace.chosen(space, host):
        doomed = destroy.doomed(space, chosen, volumes=volumes)
        if console.confirm_removal(chosen, doomed, yes=yes):
            destroy.run(space, chosen, volumes=volumes)
            typer.echo(f"{chosen.name}: removed.")


@app.command()
def demo(
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", help="Default: the kit's examples/demo.yml.")
    ] = None,
) -> None:
    """Deploy the example to this machine and transcribe a sentence of real speech with it."""
    from deploy import console
    from deploy.operations import demo

    console.demo(demo.default() if inventory is None else inventory)


@lock.command("status")
def lock_status(inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Say who holds the lock of a host."""
    from deploy.operations import workspace

    space = workspace.opened(inventory)
    for chosen in workspace.chosen(space, host):
        typer.echo(f"{chosen.name}: {space.target(chosen).holder() or 'nobody'}")


@lock.command("release")
def lock_release(inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """End the command that holds the lock of a host; the next deploy finishes its work."""
    from deploy.operations import workspace

    space = workspace.opened(inventory)
    for chosen in workspace.chosen(space, host):
        typer.echo(f"{chosen.name}: {'released' if space.target(chosen).release_lock() else 'nobody held it'}")


@users.command("add")
def users_add(name: User, inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Make a user; the password and the API key are generated and shown once."""
    from deploy import console
    from deploy.operations import users, workspace

    space = workspace.opened(inventory)
    chosen = space.host(host)
    console.key(chosen, users.add(space.target(chosen), chosen.layout, name), as_json=as_json)


@users.command("rotate")
def users_rotate(name: User, inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """Give a user a new password; the old one ends at once."""
    from deploy import console
    from deploy.operations import users, workspace

    space = workspace.opened(inventory)
    chosen = space.host(host)
    console.key(chosen, users.rotate(space.target(chosen), chosen.layout, name), as_json=as_json)


@users.command("list")
def users_list(inventory: Inventory = DEFAULT, host: HostName = None, as_json: Json = False) -> None:
    """List the users."""
    from deploy import console
    from deploy.operations import users, workspace

    space = workspace.opened(inventory)
    chosen = space.host(host)
    console.users(users.listed(space.target(chosen), chosen.layout), as_json=as_json)


@users.command("remove")
def users_remove(name: User, inventory: Inventory = DEFAULT, host: HostName = None) -> None:
    """Take a user away; the password ends at once."""
    from deploy.operations import users, workspace

    space = workspace.opened(inventory)
    chosen = space.host(host)
    users.remove(space.target(chosen), chosen.layout, name)
    typer.echo(f"{name} is removed.")


@users.command("import")
def users_import(
    file: Annotated[Path, typer.Argument(help="An htpasswd file.", exists=True, dir_okay=False)],
    inventory: Inventory = DEFAULT,
    host: HostName = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Give new passwords to users with slow or weak hashes.")
    ] = False,
) -> None:
    """Take over the users of another htpasswd file, with their passwords."""
    from deploy import console
    from deploy.operations import users, workspace

    space = workspace.opened(inventory)
    chosen = space.host(host)
    target = space.target(chosen)
    taken, refused = users.take(target, chosen.layout, file.read_text(errors="replace"))
    if console.imported(taken, refused, rotate=rotate):
        for user in taken:
            if user.advice:
                console.key(chosen, users.rotate(target, chosen.layout, user.name))


def main() -> None:
    """Run the application; a user's mistake is a sentence and a status, never a stack trace."""
    from deploy.errors import HOST, KitError

    try:
        app()
    except KitError as error:
        from deploy import console

        console.failed(error)
        sys.exit(error.code)
    except OSError as error:
        # A folder that may not be written, a full disk: the machine's matter, told with the path.
        from deploy import console

        console.failed(KitError(f"{error.filename or 'This machine'}: {error.strerror or error}."))
        sys.exit(HOST)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
