"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.commands import completion

Inventory = Annotated[
    Path, typer.Option("--inventory", "-i", help="The inventory file.", envvar="GREFFIER_INVENTORY", show_default=True)
]
HostName = Annotated[
    str | None,
    typer.Option("--host", help="Host to act on, if the inventory has several.", autocompletion=completion.hosts),
]
Alone = Annotated[
    str | None,
    typer.Option(
        "--service",
        "-s",
        help="Only this service; everything else stays as deployed.",
        autocompletion=completion.services,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite files that were changed on the host; each is kept as .bak.")
]
Service = Annotated[
    str,
    typer.Argument(help="Name of the service in the inventory.", autocompletion=completion.services),
]
User = Annotated[str, typer.Argument(help="User name: letters, digits and ._@-")]
DEFAULT = Path("inventory.yml")
