"""Files of a host: what they are, and putting them in place."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import json
import os
import pwd
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deploy.host.store import RECORD, settle

TEXT_LIMIT = 1 << 20  # bytes of a file that a survey carries

Head = dict[str, Any]


class Refused(Exception):
    """An operation cannot be done; the text says what and why."""


def survey(head: Head) -> Head:
    """State of each path that is a file: digest, mode, owner, group, text of those asked for; which other paths exist;
    and of each folder of `models` that is complete, what its record says."""
    texts = set(head.get("texts", ()))
    found = {}
    for name in head["paths"]:
        path = Path(name)
        if not path.is_file():
            continue
        stat = path.stat()
        entry: Head = {
            "mode": stat.st_mode & 0o7777,
            "owner": user(stat.st_uid),
            "group": group(stat.st_gid),
        }
        content = path.read_bytes()
        entry["digest"] = hashlib.sha256(content).hexdigest()
        if "salt" in head:
            entry["salted"] = hashlib.sha256(head["salt"].encode() + content).hexdigest()
        if name in texts and len(content) <= TEXT_LIMIT:
            entry["text"] = content.decode(errors="replace")
        found[name] = entry
    exists = [name for name in head.get("exist", ()) if Path(name).exists()]
    return {"files": found, "exists": exists, "models": _models(head.get("models", ()))}


def _models(folders: Iterable[str]) -> Head:
    """File -> SHA-256 as it was recorded when the model was fetched, of those folders where every file still has the
    size and the time of then."""
    complete = {}
    for name in folders:
        folder = Path(name)
        try:
            files = json.loads((folder / RECORD).read_bytes())["files"]
            stats = {file: (folder / file).stat() for file in files}
            if all((stats[f].st_size, stats[f].st_mtime_ns) == (e["size"], e["mtime_ns"]) for f, e in files.items()):
                complete[name] = {file: entry.get("sha256") for file, entry in files.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return complete


def write(head: Head, body: bytes) -> None:
    """Each file atomically, the old one or the new one and never a part; and none of them where there is no room
    for all."""
    offset = 0
    staged: list[tuple[Path, Path]] = []
    try:
        for entry in head["files"]:
            path = Path(entry["path"])
            staged.append((_beside(path), path))
            with _sentence(path):
                _stage(*staged[-1], body[offset : offset + entry["size"]], entry)
            offset += entry["size"]
        for temporary, path in staged:
            with _sentence(path):
                temporary.replace(path)
        for folder in {path.parent for _, path in staged}:
            settle(folder)
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink()


def folders(head: Head) -> None:
    """Create folders, with owner, group and mode where these are given. Raises OSError, LookupError for an owner that
    the host does not know."""
    for entry in head["folders"]:
        path = Path(entry["path"])
        path.mkdir(parents=True, exist_ok=True)
        if "mode" in entry:
            path.chmod(entry["mode"])
        if os.geteuid() == 0 and "owner" in entry:
            shutil.chown(path, entry["owner"], entry["group"])


def remove(head: Head) -> None:
    """Remove files and folders; then the folders below `below` that this leaves empty. Raises OSError."""
    for name in head["paths"]:
        path = Path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        for parent in path.parents:
            if not head["below"] or Path(head["below"]) not in parent.parents:
                break
            with contextlib.suppress(OSError):  # something else is in it
                parent.rmdir()


def user(uid: int) -> str:
    """Name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group(gid: int) -> str:
    """Name of a group, or the number of one without a name."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _beside(path: Path) -> Path:
    """Where a new file is made ready. Always the same name, so that what a power cut left is not there for ever."""
    return path.with_name(f".{path.name}.greffier")


@contextlib.contextmanager
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused({"message": f"{path} could not be written: {error.strerror}."}) from None
    except LookupError as error:  # no such user or group
        raise Refused({"message": f"{path}: {error}"}) from None


def _stage(temporary: Path, path: Path, content: bytes, entry: Head) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
        os.fchmod(handle, entry["mode"])
    if os.geteuid() == 0:
        shutil.chown(temporary, entry["owner"], entry["group"])
