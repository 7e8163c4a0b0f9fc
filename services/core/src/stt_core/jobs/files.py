"""Files that were uploaded by themselves: the lines of a batch, recordings that these name, and what a batch wrote."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from sqlalchemy import Connection, Row, delete, select

from stt_core.jobs import pages, rows
from stt_core.jobs.database import Database
from stt_core.jobs.model import Audio
from stt_core.jobs.recordings import Recordings
from stt_core.jobs.tables import files


@dataclass(frozen=True, slots=True)
class File:
    """content: where it lies, and its size."""

    id: str
    purpose: str
    filename: str
    created_at: float
    content: Audio


class Files:
    """Every method waits for disk and database."""

    def __init__(self, database: Database, recordings: Recordings) -> None:
        self._database = database
        self._recordings = recordings

    def add(self, content: IO[bytes], filename: str, purpose: str) -> File:
        """Keep a file; once this returns, it is not lost. Raises StorageFull; then nothing is kept."""
        audio = self._recordings.save(content)
        file = File(f"file-{uuid.uuid4().hex}", purpose, filename, rows.now(), audio)
        try:
            self._database.write(lambda connection: connection.execute(files.insert(), _row(file)).rowcount)
        except BaseException:
            self._recordings.delete(audio.name)
            raise
        return file

    def one(self, identity: str) -> File | None:
        query = select(files).where(files.c.id == identity)
        row = self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _file(row)

    def listed(self, purpose: str, after: str, limit: int) -> list[File]:
        """The newest first; those that follow the one named by `after`, where it is given."""

        def work(connection: Connection) -> list[File]:
            query = select(files)
            if purpose:
                query = query.where(files.c.purpose == purpose)
            return [_file(row) for row in pages.newest(connection, query, files, after, limit)]

        return self._database.read(work)

    def delete(self, identity: str) -> bool:
        """Whether there was one. The content of another machine's goes with its next look for what is nobody's."""
        file = self.one(identity)
        if file is None:
            return False
        self._database.write(
            lambda connection: connection.execute(delete(files).where(files.c.id == identity)).rowcount
        )
        if file.content.host == self._recordings.address:
            self._recordings.delete(file.content.name)
        return True

    def older(self, before: float, limit: int) -> list[str]:
        """Ids of those from before a moment."""
        query = select(files.c.id).where(files.c.created_at <= before).limit(limit)
        return list(self._database.read(lambda connection: connection.execute(query).scalars().all()))


def _row(file: File) -> Mapping[str, Any]:
    return {
        "id": file.id, "purpose": file.purpose, "filename": file.filename, "created_at": file.created_at,
        "audio_name": file.content.name, "audio_size": file.content.size, "audio_sha256": file.content.sha256,
        "audio_host": file.content.host,
    }  # fmt: skip


def _file(row: "Row[Any]") -> File:
    content = Audio(row.audio_name, row.audio_size, row.audio_sha256, row.audio_host)
    return File(row.id, row.purpose, row.filename, row.created_at, content)
