"""The first inventory: the annotated example, with what is the operator's own in it."""

import re
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT
from deploy.config import catalog, model_names
from deploy.config.catalog import Own
from deploy.config.fields import LABEL
from deploy.errors import INVENTORY, KitError

EXAMPLE = ROOT / "inventory.yml"
KIND = "faster-whisper"
"""Of the example's service."""
DOMAIN = re.compile(rf"(?=.{{1,200}}$){LABEL}(\.{LABEL})+")
"""A host name that leaves room for the services' own labels, and is not a single word."""


@dataclass(frozen=True)
class First:
    """What a first inventory is written with; what is empty stays as the example has it."""

    domain: str = ""
    address: str = ""
    model: str = ""


def right_domain(domain: str) -> str:
    """A domain that services can be named below. Raises KitError."""
    if not DOMAIN.fullmatch(domain) or domain.rpartition(".")[2].isdecimal():
        raise KitError(f"{domain!r} is not a domain such as example.org.", code=INVENTORY)
    return domain


def right_model(name: str) -> str:
    """A model of the example's service. Raises KitError."""
    manifest = catalog.load()[KIND].manifest
    if isinstance(manifest, Own) and model_names.meant(manifest.models, name) is None:
        advice = model_names.advice(manifest.models, name)
        raise KitError(f"There is no model {name!r} ({advice}).", code=INVENTORY)
    return name


def init(path: Path, first: First) -> None:
    """Write the annotated example, with what is yours in it. Never overwrites. Raises KitError."""
    text = EXAMPLE.read_text(encoding="utf-8")
    if first.domain:
        text = text.replace("example.org", right_domain(first.domain))
    for key, value in (("address", first.address), ("model", right_model(first.model) if first.model else "")):
        if value:
            before, mark, rest = text.partition(f"    # {key}: ")
            after = rest.partition("\n")[2]
            text = f"{before}    {key}: {value}\n{after}" if mark else text
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise KitError(f"{path} already exists; nothing was changed.", "Choose another file.", code=INVENTORY) from None
    except OSError as error:
        raise KitError(f"{path} cannot be written: {error.strerror}.", code=INVENTORY) from None
