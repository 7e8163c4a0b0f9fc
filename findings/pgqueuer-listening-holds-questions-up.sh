#!/usr/bin/env bash
# Version: PgQueuer 1.6.0 with psycopg 3.3.9, on PostgreSQL (pgserver 0.1.4).
# Guess: a PgQueuer on one psycopg connection, as its documentation shows, works as fast as the database allows, and
#   max_concurrent_tasks only bounds how many jobs are in hand.
# Behaviour: the driver listens for notifications on the connection that it asks on, for up to a second at a time, and
#   each question waits until that is over. While jobs are finished one by one, nothing notifies: a job that takes ten
#   milliseconds then comes to five to ten jobs a second, some forty times fewer than with a second connection for the
#   questions.
# Output seen, jobs a second of one worker, 8 at once, each 10 ms long:
#   one connection: 5
#   listening on a connection of its own: 225
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pgqueuer==1.6.0 "psycopg[binary]==3.3.9" \
    pgserver==0.1.4
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import asyncio
import logging
import sys
import time
from pathlib import Path

import pgserver
import psycopg
from pgqueuer import PgQueuer
from pgqueuer.db import PsycopgDriver
from pgqueuer.queries import Queries

logging.disable(logging.WARNING)
JOBS = 60
server = pgserver.get_server(Path(sys.argv[1]) / "data", cleanup_mode="stop")
url = server.get_uri()


class Apart(PsycopgDriver):
    """The same driver with a second connection for what it asks."""

    def __init__(self, listening, asking):
        super().__init__(listening)
        self.asking = PsycopgDriver(asking)

    async def fetch(self, query, *args):
        return await self.asking.fetch(query, *args)

    async def execute(self, query, *args):
        return await self.asking.execute(query, *args)


async def rate(apart):
    connect = psycopg.AsyncConnection.connect
    async with await connect(url, autocommit=True) as one, await connect(url, autocommit=True) as other:
        queries = Queries(PsycopgDriver(other))
        if not await queries.schema_is_installed():
            await queries.install()
        await queries.enqueue(["work"] * JOBS, [None] * JOBS, [0] * JOBS)
        manager = PgQueuer(Apart(one, other) if apart else PsycopgDriver(one))
        done = []

        @manager.entrypoint("work")
        async def work(job):
            await asyncio.sleep(0.01 * (1 + len(done) % 3))  # not all at the same moment
            done.append(time.monotonic())
            if len(done) == JOBS:
                manager.shutdown.set()

        began = time.monotonic()
        await asyncio.wait_for(manager.run(batch_size=4, max_concurrent_tasks=8), 120)
        return JOBS / (done[-1] - began)


alone, apart = asyncio.run(rate(False)), asyncio.run(rate(True))
print(f"one connection: {alone:.0f}")
print(f"listening on a connection of its own: {apart:.0f}")
assert alone < 40 and apart > 3 * alone
PYTHON
