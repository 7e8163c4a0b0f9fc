"""What a Dockerfile of services/ copies. An image and the code of a process are made of that, and of nothing else: it
is what a digest covers and what is sent to be built."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.errors import INVENTORY, KitError

_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=", re.IGNORECASE)


@dataclass(frozen=True)
class Copied:
    """source: a file or folder, by its path below the root of the repository. target: where it lies in the image."""

    source: str
    target: str


def instructions(text: str) -> Iterator[str]:
    """Its instructions, each on one line. Comments and empty lines are none; parser directives are."""
    begun: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#") and not _DIRECTIVE.match(stripped):
            continue
        if stripped.endswith("\\"):
            begun.append(stripped[:-1].strip())
        elif stripped or begun:
            yield " ".join([*begun, stripped])
            begun = []
    if begun:
        yield " ".join(begun)


def copied(text: str) -> Iterator[Copied]:
    """What comes from the build's context, in order. Raises KitError for an instruction that takes from it in a way
    that is not read here, so that no digest misses a file."""
    for instruction in instructions(text):
        name, _, rest = instruction.partition(" ")
        if name.upper() == "ADD" or (name.upper() == "RUN" and re.search(r"--mount=\S*type=bind", rest)):
            raise _unread(instruction)
        if name.upper() != "COPY":
            continue
        words = rest.split()
        flags = [word for word in words if word.startswith("--")]
        if any(flag.startswith("--from=") for flag in flags):
            continue
        *sources, target = [word for word in words if not word.startswith("--")]
        if not sources or set(rest) & set("[]*?$<\"'"):
            raise _unread(instruction)
        for source in sources:
            yield Copied(source.removeprefix("./").rstrip("/"), target)


def _unread(instruction: str) -> KitError:
    hint = "Write `COPY path... target`, with paths below the root of the repository."
    return KitError(f"This instruction of a Dockerfile cannot be read: {instruction}", hint, code=INVENTORY)
