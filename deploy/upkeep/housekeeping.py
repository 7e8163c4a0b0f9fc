"""What gathers on a host over the year: old images, releases and code; and copies to keep elsewhere."""

import contextlib
import io
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy import reading
from deploy.config.stack import HostStack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.render import compose
from deploy.reporting import Reporter
from deploy.runtime import components, control, docker, images
from deploy.state import records, releases, users
from deploy.transport.targets import Target
from deploy.workspace import Workspace

MAX_BACKUP = 2 << 30
"""Bytes. It has settings and users, and lies in memory while it is put back."""


JOBS, JOBS_COPY = "jobs.sqlite3", "jobs.backup.sqlite3"
"""In the folder of a service's jobs: their database, and the copy of it that goes into a backup under its name."""
_COPY = """\
import os, sqlite3, sys
name, paths = sys.argv[1], sys.argv[2:]
for path in paths:
    copy = os.path.join(os.path.dirname(path), name)
    if os.path.exists(copy):
        os.unlink(copy)
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    source.backup(target)
    target.close()
    source.close()
    owner = os.stat(path)
    os.chown(copy, owner.st_uid, owner.st_gid)
"""


@dataclass(frozen=True)
class Waste:
    """What nothing uses: containers, images, folders, and how many bytes they take: images may share some with others
    that stay."""

    containers: tuple[str, ...]
    images: tuple[str, ...]
    folders: tuple[str, ...]
    size: int


def waste(space: Workspace, host: HostStack) -> Waste:
    """Containers of no service, images and code of neither of the last releases that are kept for a rollback."""
    target = space.target(host)
    left = orphans(host, target)
    kept = [
        target.answer(releases.load(host.layout, number))
        for number in target.answer(releases.numbers(host.layout))[-releases.IMAGES_KEPT :]
    ]
    pictures: list[str] = []
    size = 0
    if host.runtime == "compose":
        made = _images(host, target)
        wanted = made.keys() & {image for release in kept for image in release.images}
        pictures = sorted(made.keys() - wanted)
        going = {made[image] for image in pictures} - {made[image] for image in wanted}
        if going:
            sizes = target.run(docker.inspect_sizes(sorted(going)))
            size = sum(map(int, sizes.split()))
    used = {path for release in kept for path in release.components}
    folders = [path for path in components.unused(target, host) if path not in used]
    if folders:
        size += sum(int(line.split()[0]) for line in target.run(("du", "--bytes", "-s", *folders)).splitlines())
    return Waste(tuple(sorted(left)), tuple(pictures), tuple(folders), size)


def orphans(host: HostStack, target: Target) -> set[str]:
    """Containers with a name of ours that neither the inventory nor autostart knows."""
    if host.runtime == "process":
        return set()
    listed = target.run(docker.list_containers("{{.Names}}", named=True))
    known = {service.name for service in host.services} | control.states(host, target).keys()
    of = target.answer(images.containers())
    return {name for name in listed.split() if of.get(name, name.removeprefix("greffier-")) not in known}


def _images(host: HostStack, target: Target) -> dict[str, str]:
    """Image -> its id, of those that are on the host because of us: built, or pulled and of no other container."""
    of = target.answer(images.containers())
    made_of = target.run(docker.list_containers("{{.Names}} {{.Image}}")).splitlines()
    others = {words[1] for words in map(str.split, made_of) if len(words) == 2 and words[0] not in of}
    there = target.answer(images.identified())
    pulled = set(records.read(target, host).get("pulled", ())) - others
    built = {image for image in there if image.startswith("greffier/")}
    return {image: there[images.familiar(image)] for image in built | pulled if images.familiar(image) in there}


def prune(space: Workspace, host: HostStack, found: Waste) -> None:
    """Remove what `waste` found, under the lock. Raises KitError."""
    target = space.target(host)
    with target.lock("prune"):
        if found.containers:
            target.run(docker.remove_containers(found.containers))
        images.discard(target, found.images)
        target.remove(*found.folders)


def backup(space: Workspace, host: HostStack, path: Path, report: Reporter) -> None:
    """What cannot be made again, in one archive: settings, secrets, users, certificates, data; no models."""
    target = space.target(host)
    command = ("tar", "--create", "--gzip", "--directory", "/", *_excluded(host), *_saved(host, target))
    with target.lock("backup"), _fresh(path) as file, report.step(f"Backing up {host.name}") as bar:
        _copy_jobs(host, target)
        done, said = 0, b""
        for stream, chunk in target.connection.stream(command):
            if stream == 1:
                file.write(chunk)
                done += len(chunk)
                bar.update(done, 0, f"{done / 1e6:.0f} MB")
            elif stream == 2:
                said += chunk
            elif chunk not in (b"0", b"1"):  # 1: a file changed while it was read
                raise KitError("The archive could not be created.", output=said.decode(errors="replace"), code=HOST)


def _copy_jobs(host: HostStack, target: Target) -> None:
    """A whole copy of each database of jobs, beside it: an archive of the live one might hold half a write."""
    folders = [compose.jobs_folder(host, service) for service in host.services if service.jobs]
    there = sorted(target.existing([f"{folder}/{JOBS}" for folder in folders]))
    if there:
        target.run(("python3", "-c", _COPY, JOBS_COPY, *there))


@contextmanager
def _fresh(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write an archive to; of one that is cut off nothing stays. Raises KitError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KitError(f"{path} already exists; nothing was written.", "Choose another file.", code=INVENTORY) from None
    except OSError as error:
        raise KitError(f"{path} cannot be written: {error.strerror}.", code=INVENTORY) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
    except OSError as error:
        path.unlink()
        raise KitError(f"{path} could not be written completely: {error.strerror}.", code=HOST) from None
    except BaseException:
        path.unlink()
        raise


def backed_up(host: HostStack, path: Path) -> bytes:
    """What `backup` wrote for this host. Raises KitError."""
    try:
        content = reading.whole(path, MAX_BACKUP)
    except OSError as error:
        raise KitError(f"{path} cannot be read: {error.strerror}.", code=INVENTORY) from None
    _check(host, path, content)
    return content


def in_use(space: Workspace, host: HostStack) -> list[str]:
    """What a backup would be put over, in words; nothing on a host that was only set up."""
    target, layout = space.target(host), host.layout
    found = []
    if target.existing([layout.record]):
        with contextlib.suppress(KitError):  # a damaged one is none the less one
            record = records.read(target, host)
            found.append(f"release {record['release']} of {record.get('at', 'an unknown date')}")
        found = found or ["a release"]
    names = [user.name for user in users.listed(target, layout)]
    return found + ([f"the users {', '.join(names)}"] if names else [])


def restore(space: Workspace, host: HostStack, path: Path, content: bytes, report: Reporter) -> None:
    """Put a backup back; `deploy` then does what is left to do (models, images, containers)."""
    target = space.target(host)
    with target.lock("restore"), report.step(f"Restoring {host.name}"):
        for service in host.services:
            if service.jobs:  # it would go on with the file that was there before, and what it writes be lost
                with contextlib.suppress(KitError):  # nothing runs on a new host
                    control.sleep(host, target, service.name)
        command = ("tar", "--extract", "--gzip", "--directory", "/", "--same-owner", "--file", "-")
        *said, (_, status) = target.connection.lines(command, content)
        if status != "0":
            told = "\n".join(line for _, line in said)
            raise KitError(f"{path} could not be unpacked on {host.name}.", output=told, code=HOST)
        folders = [compose.jobs_folder(host, service) for service in host.services if service.jobs]
        # Of the database that was there before: with that which is there now it would damage it.
        target.remove(*(f"{folder}/{JOBS}{part}" for folder in folders for part in ("-wal", "-shm")))
        # What the record says was done there has still to be done here.
        target.remove(host.layout.record)


def _check(host: HostStack, path: Path, content: bytes) -> None:
    """Only what a backup holds may be unpacked. Raises KitError."""
    allowed = tuple(f"{folder.lstrip('/')}/" for folder in (host.layout.etc, host.layout.var, "/etc/letsencrypt"))
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            names = archive.getnames()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise KitError(f"{path} is not a backup: {error}.", code=INVENTORY) from None
    strange = [name for name in names if not f"{name}/".startswith(allowed) or ".." in name.split("/")]
    if strange:
        raise KitError(f"{path} is not a backup of {host.name}: it holds {strange[0]}.", code=INVENTORY)


def _saved(host: HostStack, target: Target) -> Iterator[str]:
    wanted = [host.layout.etc, host.layout.var]
    if host.runtime == "compose":
        wanted.append("/etc/letsencrypt")
    return (path.lstrip("/") for path in wanted if target.existing([path]))


def _excluded(host: HostStack) -> Iterator[str]:
    for path in (host.layout.models, f"{host.layout.var}/nginx", f"{host.layout.var}/.lock"):
        yield f"--exclude={path.lstrip('/')}"
    jobs = f"{host.layout.var}/jobs/*".lstrip("/")
    yield from (f"--exclude={jobs}/{name}" for name in (JOBS, f"{JOBS}-wal", f"{JOBS}-shm", "owners"))
    yield f"--transform=s,/{re.escape(JOBS_COPY)}$,/{JOBS},"
