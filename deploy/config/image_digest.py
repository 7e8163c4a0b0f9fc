"""What an image is made of, as one number: an image whose tag is there is never built again."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from deploy.types import digest


def tag(source: str, *installed: str) -> str:
    """Of an image with this source, and what is installed beside it: PyTorch's version and index, by device."""
    return (digest(" ".join((source, *installed))) if installed else source)[:16]


def files(path: str, place: Path) -> Iterator[tuple[str, Path]]:
    """(path, file) of a file, or of the files below a folder, sorted: not what Python and other tools leave there."""
    if place.is_file():
        yield path, place
    for file in sorted(place.rglob("*")):
        parts = file.relative_to(place).parts
        if file.is_file() and "__pycache__" not in parts and not any(part.startswith(".") for part in parts):
            yield "/".join((path, *parts)), file


def source_digest(*places: tuple[str, Path], doing: str = "") -> str:
    """SHA-256 over names and contents: the image tag, so an unchanged service is never rebuilt.

    doing: what is done with them.
    """
    total = hashlib.sha256(doing.encode())
    for path, file in (found for place in places for found in files(*place)):
        total.update(f"\0{path}\0".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
