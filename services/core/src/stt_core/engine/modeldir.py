"""A model's files on disk, and whether they are what the deploy put there."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from stt_core.errors import StartError

RECORD = ".greffier.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


def verified(models: Path, name: str) -> Path:
    """The folder of a model whose files are all there and unchanged.

    A file whose size and time are as recorded is taken as it is; one with another time is hashed again.
    Raises StartError with a sentence that names the file.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise StartError(f"{name!r} is not the name of a model; names look like Systran/faster-whisper-base.")
    folder = models / name.replace("/", "--")
    files = _recorded(folder, name)
    for file, expected in sorted(files.items()):
        _check(folder, name, file, expected)
    return folder


def size(models: Path, name: str) -> int:
    """Bytes of a model's files; 0 for one that is not there, which loading it tells."""
    folder = models / name.replace("/", "--")
    try:
        return sum((folder / file).stat().st_size for file in _recorded(folder, name))
    except (OSError, StartError):
        return 0


def _recorded(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    path = folder / RECORD
    try:
        record = json.loads(path.read_bytes())
        files = record["files"]
        if not files or not all(isinstance(entry["sha256"], str) for entry in files.values()):
            raise ValueError
    except FileNotFoundError:
        raise StartError(f"The model {name} is not complete: {path} is missing; {_remedy()}") from None
    except OSError as error:
        raise StartError(f"The model {name} cannot be read: {path}: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StartError(f"The model {name} is not complete: {path} is damaged; {_remedy()}") from None
    return dict(files)


def _check(folder: Path, name: str, file: str, expected: dict[str, Any]) -> None:
    path = folder / file
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise StartError(f"The model {name} is not loaded: {folder / RECORD} names a file outside; {_remedy()}")
    try:
        status = path.stat()
        if status.st_size == expected.get("size") and status.st_mtime_ns == expected.get("mtime_ns"):
            return
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise StartError(f"The model {name} is not complete: {path} is missing; {_remedy()}") from None
    except OSError as error:
        raise StartError(f"The model {name} cannot be read: {path}: {error.strerror}.") from None
    if digest != expected["sha256"]:
        raise StartError(f"The model {name} is not loaded: {path} is not the file that was pinned; {_remedy()}")


def _remedy() -> str:
    return "run `greffier deploy`, which fetches it again."
