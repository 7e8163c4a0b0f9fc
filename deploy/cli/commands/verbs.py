"""The application's groups of commands: options that many share may stand before the verb as well as after it."""

from typing import Any

import typer
from typer.core import TyperGroup

VALUED = frozenset({"--inventory", "-i", "--host", "--service", "-s"})
"""Shared options that take a value."""
OWN = ("-h", "--help", "--version", "--install-completion", "--show-completion")
"""What a group answers itself."""


class Verbs(TyperGroup):
    """`greffier -i other.yml status` is `greffier status -i other.yml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        before: list[str] = []
        rest = list(args)
        while rest and rest[0].startswith("-") and rest[0] not in ("-", "--", *OWN):
            option = rest.pop(0)
            before.append(option)
            if option in VALUED and rest:
                before.append(rest.pop(0))
        if rest and rest[0] not in OWN:
            args = [rest[0], *before, *rest[1:]]
        left: list[str] = super().parse_args(ctx, args)
        return left


def version(wanted: bool) -> None:
    """Say which Greffier this is."""
    if wanted:
        from deploy import VERSION

        typer.echo(f"Greffier {VERSION}")
        raise typer.Exit
