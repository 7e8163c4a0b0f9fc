"""PostgreSQL's figures: two worker processes on one queue, ours and PgQueuer's alone, in turns.

`python -m bench.jobs.shared` prints them as one JSON object; it runs in the services' environment, with
Debian's PostgreSQL. It starts itself as its workers: `… worker KIND URL`.
"""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
from pgqueuer import Job, PgQueuer
from pgqueuer.db import PsycopgDriver
from pgqueuer.queries import Queries
from starlette.concurrency import run_in_threadpool
from stt_core.jobs import rows, schema
from stt_core.jobs.attempts import Attempts
from stt_core.jobs.database import Postgres
from stt_core.jobs.model import Attempt, Audio, Bounds, NewJob, Request
from stt_core.jobs.outbox import Outbox
from stt_core.jobs.postgres_queue import HEARTBEAT, PostgresQueue, connected, install
from stt_core.jobs.runner import TOGETHER
from stt_core.jobs.store import Store
from stt_testing import postgres

from bench.jobs.disk import SAID

JOBS = 10_000
WORKERS = 2
ENTRYPOINT = "bare"
ROUNDS = 2


def ours(url: str, name: str) -> tuple[Postgres, Attempts, PostgresQueue]:
    database = Postgres(url, name)
    attempts = Attempts(database, Outbox(database, f"{time.monotonic_ns()}"), f"worker-{time.monotonic_ns()}", "bench")
    return database, attempts, PostgresQueue(database.plain_url, attempts)


def ready() -> None:
    """Say so, and wait for the sign to begin, which all workers get at once."""
    print("ready", flush=True)
    sys.stdin.readline()


def work_ours(url: str, name: str) -> list[str]:
    """Jobs that this worker has brought to their end."""
    database, attempts, queue = ours(url, name)
    done: list[str] = []

    async def handle(attempt: Attempt) -> bool:
        ended = await run_in_threadpool(attempts.finish, attempt, SAID)
        if ended:
            done.append(attempt.job.id)
        return ended

    ready()
    threading.Thread(target=lambda: (sys.stdin.readline(), queue.stop()), daemon=True).start()
    asyncio.run(queue.serve(handle, TOGETHER))
    database.close()
    return done


def work_bare(url: str, name: str, keeps: bool) -> list[str]:
    """PgQueuer alone. keeps: what came of a job is written down, which is the least that anybody has to do."""
    database = Postgres(url, name)
    done: list[str] = []
    content = rows.transcript_json(SAID)

    async def serve() -> None:
        async with (
            connected(database.plain_url) as driver,
            await psycopg.AsyncConnection.connect(database.plain_url, autocommit=True) as results,
        ):
            manager = PgQueuer(driver)

            @manager.entrypoint(ENTRYPOINT)
            async def one(job: Job) -> None:
                identity = (job.payload or b"").decode()
                if keeps:
                    await results.execute("INSERT INTO kept VALUES (%s, %s)", (identity, content))
                done.append(identity)

            loop = asyncio.get_running_loop()
            stop = lambda: (sys.stdin.readline(), loop.call_soon_threadsafe(manager.shutdown.set))  # noqa: E731
            threading.Thread(target=stop, daemon=True).start()
            await manager.run(
                batch_size=max(1, TOGETHER // 2), max_concurrent_tasks=TOGETHER, heartbeat_timeout=HEARTBEAT
            )

    ready()
    asyncio.run(serve())
    database.close()
    return done


def measured(kind: str, url: str, name: str) -> dict[str, float]:
    """Jobs a second over both workers, and how often a job was done twice or not at all."""
    database, _, queue = ours(url, name)
    schema.upgrade(database.engine, Path("/nonexistent"), lambda: install(database.plain_url))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (id TEXT PRIMARY KEY, content TEXT)")
    if kind == "ours":
        store = Store(database, queue, Bounds(10 * JOBS, 0))

        def accept(number: int) -> None:
            audio = Audio("0" * 32, 20_000, "0" * 64)
            store.accept(NewJob(Request("transcriptions", {}), audio, 30.0, f"user-{number % 50}", str(number)))

        began = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(accept, range(JOBS)))
        accepted = JOBS / (time.monotonic() - began)
    else:
        accepted = 0.0
        asyncio.run(_enqueued(database.plain_url))
    with ExitStack() as stack, database.engine.connect() as connection:
        workers = [stack.enter_context(_worker(kind, url, name)) for _ in range(WORKERS)]
        for worker in workers:
            assert worker.stdout and worker.stdout.readline() == "ready\n"
        began = time.monotonic()
        for worker in workers:
            _say(worker)
        while connection.exec_driver_sql("SELECT count(*) FROM pgqueuer").scalar():
            connection.rollback()
            time.sleep(0.2)
        seconds = time.monotonic() - began
        done: list[str] = []
        for worker in workers:
            _say(worker)
            assert worker.stdout
            done += json.loads(worker.stdout.readline())
            worker.wait(60)
    database.close()
    twice = len(done) - len(set(done))
    return {"rate": JOBS / seconds, "twice": twice, "missing": JOBS - len(set(done)), "accepted": accepted}


async def _enqueued(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        queries = Queries(PsycopgDriver(connection))
        for start in range(0, JOBS, 1000):
            payloads: list[bytes | None] = [str(number).encode() for number in range(start, start + 1000)]
            await queries.enqueue([ENTRYPOINT] * 1000, payloads, [0] * 1000)


def _worker(kind: str, url: str, name: str) -> "subprocess.Popen[str]":
    command = (sys.executable, "-m", "bench.jobs.shared", "worker", kind, url, name)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _say(worker: "subprocess.Popen[str]") -> None:
    assert worker.stdin
    worker.stdin.write("\n")
    worker.stdin.flush()


def main() -> int:
    logging.disable(logging.WARNING)
    if "worker" in sys.argv[1:2]:
        _, _, kind, url, name = sys.argv
        done = work_ours(url, name) if kind == "ours" else work_bare(url, name, keeps=kind == "keeping")
        print(json.dumps(done), flush=True)
        return 0
    found: dict[str, list[dict[str, float]]] = {"ours": [], "keeping": [], "bare": []}
    with postgres.server() as url:
        for number in range(ROUNDS):
            for kind, results in found.items():
                results.append(measured(kind, url, f"{kind}{number}"))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
