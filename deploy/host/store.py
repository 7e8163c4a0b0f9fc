"""A model's folder: what lies there, what is recorded of it, and one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.host.wanted import Failure, File, read_files

RECORD = ".greffier.json"
STAGING = ".fetch"
MAX_RECORD = 1 << 20  # bytes
CHUNK = 1 << 20  # bytes of a file that are read at once


@dataclass(frozen=True)
class Record:
    """What was fetched last. A file whose size and time of change are still these is not read again."""

    name: str
    revision: str | None
    files: Mapping[str, File]
    mtimes: Mapping[str, int]


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as content:
        while part := content.read(CHUNK):
            digest.update(part)
    return digest.hexdigest()


def size_of(path: Path) -> int | None:
    """In bytes; None when there is no such file."""
    return path.stat().st_size if path.is_file() else None


def need_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise Failure(
            f"{folder} needs {size / 1e6:.1f} MB, has {free / 1e6:.1f} MB",
            "free some space there, or choose a smaller model",
        )


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder alone; `waiting` is called when another has it. The kernel frees a dead one's lock."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_record(folder: Path) -> Record | None:
    """None when there is none, or none that can be understood: then every file is judged by its digest."""
    try:
        with (folder / RECORD).open("rb") as content:
            entry = json.loads(content.read(MAX_RECORD))
        mtimes = {path: int(each["mtime_ns"]) for path, each in entry["files"].items()}
        return Record(str(entry["name"]), entry["revision"], read_files(entry["files"], RECORD), mtimes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Failure):
        return None


def missing(folder: Path, files: Mapping[str, File], record: Record | None) -> dict[str, str]:
    """The files that are not there with the right bytes, and for each a word why."""
    wrong = {}
    for path, want in files.items():
        place = folder / path
        if want.sha256 is None or not place.is_file():
            wrong[path] = "is not there yet"
        elif place.stat().st_size != want.size:
            wrong[path] = "has an unexpected size"
        elif (
            not (
                record is not None
                and record.files.get(path) == want
                and record.mtimes[path] == place.stat().st_mtime_ns
            )
            and sha256(place) != want.sha256
        ):
            wrong[path] = "does not match its SHA-256 digest"
    return wrong


def keep(staged: Path, folder: Path, path: str) -> None:
    """Put a finished file in its place, in one step."""
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(place)
    settle(place.parent)


def settle(folder: Path) -> None:
    """Make renames in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(folder: Path, name: str, revision: str | None, files: Mapping[str, File], old: Record | None) -> None:
    """Write the record unless it says so already; remove what an earlier one had and this one has not."""
    mtimes = {path: (folder / path).stat().st_mtime_ns for path in files}
    if old != Record(name, revision, files, mtimes):
        entries = {path: {**vars(files[path]), "mtime_ns": mtimes[path]} for path in sorted(files)}
        draft = folder / f"{RECORD}.new"
        with draft.open("w", encoding="utf-8") as out:
            json.dump({"name": name, "revision": revision, "files": entries}, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        keep(draft, folder, RECORD)
        for path in set(old.files if old else ()) - set(files):
            (folder / path).unlink(missing_ok=True)
    if (folder / STAGING).exists():
        shutil.rmtree(folder / STAGING)
