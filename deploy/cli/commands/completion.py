"""What a shell completes: names out of the inventory, and formats. It never fails, and says nothing."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

FORMATS = ("text", "json", "verbose_json", "diarized_json", "srt", "vtt")


def _named(part: str) -> dict[str, object]:
    """The mapping of the inventory with that name, as it is written."""
    from deploy.config import source

    words = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()
    marks = [n for n, word in enumerate(words[:-1]) if word in ("-i", "--inventory")]
    path = Path(words[marks[-1] + 1]) if marks else Path(os.environ.get("GREFFIER_INVENTORY", "inventory.yml"))
    found = source.read(path).data.get(part, {})
    return dict(found)


def _beginning(part: str, start: str, *more: str) -> Iterator[str]:
    names = list(more)
    with contextlib.suppress(Exception):  # half an inventory, or none: nothing to complete
        names = [*_named(part), *more]
    return (str(name) for name in names if str(name).startswith(start))


def services(incomplete: str) -> list[str]:
    """Names of the inventory's services."""
    return list(_beginning("services", incomplete))


def logs(incomplete: str) -> list[str]:
    """Names that `logs` takes: services, autostart and nginx."""
    return list(_beginning("services", incomplete, "autostart", "nginx"))


def hosts(incomplete: str) -> list[str]:
    """Names of the inventory's hosts."""
    return list(_beginning("hosts", incomplete))


def formats(incomplete: str) -> list[str]:
    """Formats of a transcript."""
    return [name for name in FORMATS if name.startswith(incomplete)]
