"""SQLite's figures, in one process: `python -m bench.jobs.disk FOLDER` prints them as one JSON object.

It runs in the services' environment, on a folder whose disk is the one that is meant.
"""

import json
import os
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from statistics import median, quantiles

from sqlalchemy import Connection, insert
from stt_core.engine.protocol import Segment, Transcript
from stt_core.jobs import rows, schema
from stt_core.jobs.attempts import Attempts
from stt_core.jobs.database import Sqlite
from stt_core.jobs.model import Audio, Bounds, NewJob, Request, Status
from stt_core.jobs.outbox import Outbox
from stt_core.jobs.recordings import Recordings
from stt_core.jobs.sqlite_queue import Alive, SqliteQueue
from stt_core.jobs.store import Store
from stt_core.jobs.tables import jobs, transcripts

THREADS = 40
"""As many as the web framework has for what waits for the disk."""
SUBMITTED, HANDED, LOOKED = 3000, 500, 4000
MANY = 100_000
ROUNDS = 3
AUDIO = bytes(number % 251 for number in range(20_000))
SAID = Transcript("en", 30.0, (Segment(0.0, 30.0, " What was said in half a minute." * 10),))


class Room:
    """A database with its queue, as a service has them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.database = Sqlite(folder / "jobs.sqlite3")
        schema.upgrade(self.database.engine, folder)
        self.alive = Alive(folder / "owners", "bench")
        self.attempts = Attempts(self.database, Outbox(self.database, "bench"), "bench", "bench")
        self.store = Store(self.database, SqliteQueue(self.attempts, self.alive), Bounds(10_000_000, 0))
        self.recordings = Recordings(folder / "recordings")

    def close(self) -> None:
        self.alive.close()
        self.database.close()


def new(number: int, audio: Audio) -> NewJob:
    fields = {"model": "bench", "response_format": "verbose_json"}
    return NewJob(Request("transcriptions", fields), audio, 30.0, f"user-{number % 50}", f"message-{number}")


def bare(folder: Path) -> float:
    """Recordings and rows a second, as the disk alone allows it: a file and its folder synced, a row committed."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE job (id TEXT PRIMARY KEY, content TEXT)")
    number = os.open(folder, os.O_RDONLY)
    began = time.monotonic()
    for one in range(SUBMITTED // 4):
        with (folder / str(one)).open("xb", buffering=0) as file:
            file.write(AUDIO)
            os.fsync(file.fileno())
        os.fsync(number)
        connection.execute("INSERT INTO job VALUES (?, ?)", (str(one), "x" * 300))
    seconds = time.monotonic() - began
    connection.close()
    return SUBMITTED / 4 / seconds


def submitted(room: Room) -> float:
    """Jobs a second that are accepted, each durable when it is answered."""

    def one(number: int) -> None:
        room.store.accept(new(number, room.recordings.save(BytesIO(AUDIO))))

    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, range(SUBMITTED)))
    return SUBMITTED / (time.monotonic() - began)


def handed(room: Room) -> float:
    """Milliseconds to take a job out of the queue and to keep what came of it, both."""
    began = time.monotonic()
    for _ in range(HANDED):
        attempt = room.attempts.next()
        assert attempt
        assert room.attempts.finish(attempt, SAID)
    return 1000 * (time.monotonic() - began) / HANDED


def looked(room: Room, waiting: bool) -> tuple[float, float]:
    """p99 in milliseconds of finding a pair's job, and of finding its place."""
    lookups, places = [], []
    for number in range(LOOKED):
        wanted = (number * 7919) % MANY
        began = time.perf_counter()
        job = room.store.paired(f"many-{wanted % 50}", f"message-{wanted}")
        lookups.append(time.perf_counter() - began)
        assert job and (job.status is Status.QUEUED) is waiting
        began = time.perf_counter()
        place = room.store.place(job)
        places.append(time.perf_counter() - began)
        assert (place is not None) is waiting
    return tuple(1000 * quantiles(times, n=100)[98] for times in (lookups, places))  # type: ignore[return-value]


def fill(room: Room, status: Status) -> None:
    """A table of a hundred thousand jobs, in one transaction."""
    audio = Audio("0" * 32, 20_000, "0" * 64)
    now = rows.now()
    made = []
    for number in range(MANY):
        asked = NewJob(Request("transcriptions", {}), audio, 30.0, f"many-{number % 50}", f"message-{number}")
        row = rows.new(asked, int(now * 1000) + number, now - MANY + number)
        made.append({**row, "status": status.value, "ended_at": now if status.final else None, "audio_deleted": 1})

    def work(connection: Connection) -> None:
        connection.execute(insert(jobs), made)
        if status is Status.COMPLETED:
            content = rows.transcript_json(SAID)
            connection.execute(
                insert(transcripts), [{"job_id": row["id"], "text": "said", "content": content} for row in made]
            )

    room.database.write(work)


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, object] = {}
    disks, rates, hands = [], [], []
    for number in range(ROUNDS):
        disks.append(bare(folder / f"bare-{number}"))
        room = Room(folder / f"empty-{number}")
        rates.append(submitted(room))
        hands.append(handed(room))
        room.close()
    found |= {"bare": disks, "submit": rates, "hand": hands}

    room = Room(folder / "waiting")
    fill(room, Status.QUEUED)
    found["waiting"] = looked(room, waiting=True)
    room.close()

    pairs = []
    for number in range(ROUNDS):
        few, many = Room(folder / f"few-{number}"), Room(folder / f"many-{number}")
        fill(many, Status.COMPLETED)
        pairs.append([[submitted(each), handed(each)] for each in (few, many)])
        if number == 0:
            found["finished"] = looked(many, waiting=False)
        few.close()
        many.close()
    found["beside"] = [[median(pair[side][figure] for pair in pairs) for side in (0, 1)] for figure in (0, 1)]
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
