"""The recordings of jobs, on this machine's disk."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from stt_core.jobs.model import Audio, StorageFull

BLOCK = 1 << 20
RESERVE = 64 << 20
"""Bytes that stay free on the disk: the database needs room to write down what was taken."""
FULL = (errno.ENOSPC, errno.EDQUOT)


class Recordings:
    """A folder with a file for each. address: the base URL at which other machines reach this service."""

    def __init__(self, folder: Path, address: str = "") -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.address = address

    def save(self, file: IO[bytes]) -> Audio:
        """Keep a copy of a file. Once this returns, a power cut does not undo it. Raises StorageFull."""
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(0)
        if shutil.disk_usage(self._folder).free < size + RESERVE:
            raise StorageFull
        name = uuid.uuid4().hex
        digest = hashlib.sha256()
        try:
            with self.path(name).open("xb", buffering=0) as kept:
                while block := file.read(BLOCK):
                    digest.update(block)
                    kept.write(block)
                os.fsync(kept.fileno())
            self._sync_folder()
        except OSError as error:
            self.delete(name)
            raise (StorageFull() if error.errno in FULL else error) from None
        except BaseException:
            self.delete(name)
            raise
        return Audio(name, size, digest.hexdigest(), self.address)

    def open(self, audio: Audio) -> IO[bytes]:
        """Raises FileNotFoundError."""
        return self.path(audio.name).open("rb")

    def has(self, audio: Audio) -> bool:
        """Whether it was taken by this machine, and is still here."""
        return audio.host == self.address and self.path(audio.name).exists()

    def delete(self, name: str) -> None:
        """Nothing for an empty name: a job that was taken over has no recording here."""
        if name:
            self.path(name).unlink(missing_ok=True)

    def names(self, older: float) -> Iterator[str]:
        """Those that were last written before a moment, in Unix time."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    if entry.stat().st_mtime < older:
                        yield entry.name
                except FileNotFoundError:
                    continue

    def path(self, name: str) -> Path:
        """Where a recording lies. Raises ValueError for what is no name of one."""
        if not (len(name) == 32 and name.isalnum()):
            raise ValueError(f"{name!r} is not the name of a recording")
        return self._folder / name

    def _sync_folder(self) -> None:
        number = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
