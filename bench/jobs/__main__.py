"""`make bench NAME=jobs`: everything on loopback, in a temporary folder beside the checkout's disk; some 15 minutes."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench import report as results
from bench.jobs import faults, service
from bench.path.host import SERVICES, environment
from bench.report import Figure, Goal
from deploy import ROOT
from deploy.cli import progress
from deploy.reporting import Reporter

CONNECTIONS = 40
SUBMIT_SECONDS = 5
WRK = """\
local made, thread = 0, 0
function setup(one) thread = thread + 1; one:set("id", thread) end
function request()
  made = made + 1
  local body = string.gsub(form, "MESSAGE", id .. "-" .. made, 1)
  body = string.gsub(body, "USER", "user-" .. (made % 50), 1)
  return wrk.format("POST", nil, {["Content-Type"] = kind}, body)
end
"""


def child(module: str, *arguments: str) -> dict[str, Any]:
    """What a part prints that runs in the services' environment. Raises RuntimeError."""
    done = subprocess.run(
        (str(SERVICES), "-m", f"bench.jobs.{module}", *arguments),
        cwd=ROOT, env=environment(PYTHONPATH=faults.TESTING), stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"bench.jobs.{module} ended with status {done.returncode}; its reason stands above")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def disk(folder: Path, report: Reporter) -> Iterator[Figure]:
    with report.step("Taking jobs and handing them out, on SQLite"):
        found = child("disk", str(folder))
    rates, bare = found["submit"], found["bare"]
    how = (
        f"medians of {len(rates)} rounds in turns on {_filesystem(folder)}; 20 kB each, 40 threads; file, folder and "
        "row are on the disk before it counts"
    )
    yield Figure("jobs/s accepted durably on SQLite, below HTTP", median(rates), how, Goal("at least", 500))
    share = median(one / other for one, other in zip(rates, bare, strict=True))
    alone = f"against {median(bare):.0f}/s of one thread that syncs a file and its folder and commits a row, in turns"
    yield Figure("jobs/s accepted against the disk's bare fsync and commit (ratio)", share, alone)
    hand = "one after the other: the next job taken, its transcript kept durably; median of rounds"
    yield Figure("claim and finish of a job on SQLite (ms)", median(found["hand"]), hand, Goal("at most", 3))
    many = "p99 of 4000, of 100,000 jobs that wait"
    for name, value in zip(("lookup of a pair", "position in the queue"), found["waiting"], strict=True):
        yield Figure(f"{name} among 100,000 waiting jobs, p99 (ms)", value, many, Goal("at most", 5))
    beside = found["beside"]
    turns = "medians of rounds in turns, with 100,000 finished jobs and transcripts in the table against with none"
    yield Figure(
        "accepting beside 100,000 finished jobs (ratio)", beside[0][1] / beside[0][0], turns, Goal("at least", 0.9)
    )
    slower = beside[1][1] / beside[1][0]
    yield Figure("claim and finish beside 100,000 finished jobs (ratio of times)", slower, turns, Goal("at most", 1.1))
    ended = "p99 of 4000, of 100,000 jobs that are done"
    yield Figure("lookup among 100,000 finished jobs, p99 (ms)", found["finished"][0], ended, Goal("at most", 5))


def submitted(folder: Path, report: Reporter) -> Iterator[Figure]:
    """Over HTTP, as a voicemail server hands them in; the engine holds, so that what is measured is the taking."""
    script = folder / "submit.lua"
    body, kind = service.form({"user_uuid": "USER", "message_id": "MESSAGE"}, service.recording())
    data = "".join(f"\\{byte:03d}" for byte in body)
    script.write_text(f'form = "{data}"\nkind = "{kind}"\n{WRK}')
    with (
        report.step("Handing jobs in over HTTP"),
        service.running(folder / "submit", BENCH_GATE=str(folder / "never")) as served,
    ):
        command = (
            "wrk",
            "-t2",
            f"-c{CONNECTIONS}",
            f"-d{SUBMIT_SECONDS}s",
            "-s",
            str(script),
            served.url + service.PATH,
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        total = served.get("/health")["db_stats"]["total"]
        served.kill()
    found = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    if done.returncode or not found or "Non-2xx" in done.stdout:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    how = (
        f"wrk, {CONNECTIONS} connections for {SUBMIT_SECONDS} s on the same cores, a pair of 50 users and 20 kB each; "
        f"{total} in the table"
    )
    yield Figure("jobs/s accepted durably on SQLite, over HTTP", float(found[1]), how, Goal("at least", 500))


def shared(report: Reporter) -> Iterator[Figure]:
    with report.step("Two workers on PostgreSQL, ours and PgQueuer alone"):
        found = child("shared")
    rates = {kind: median(one["rate"] for one in rounds) for kind, rounds in found.items()}
    how = (
        f"two worker processes, 10,000 jobs, median of {len(found['ours'])} in turns; Debian's PostgreSQL on the "
        "same cores; a job is claimed, its transcript kept; accepted at "
        f"{median(o['accepted'] for o in found['ours']):.0f}/s"
    )
    yield Figure("jobs/s of two workers on PostgreSQL", rates["ours"], how, Goal("at least", 250))
    alone = "PgQueuer alone in the same run, with the same bounds, on two connections"
    keeping = f"{alone}; its handler writes the transcript down, in one INSERT: {rates['keeping']:.0f}/s"
    yield Figure(
        "two workers against PgQueuer that keeps a result (ratio)", rates["ours"] / rates["keeping"], keeping,
        Goal("at least", 0.8),
    )  # fmt: skip
    nothing = f"{alone}; its handler does nothing at all: {rates['bare']:.0f}/s"
    yield Figure("two workers against PgQueuer that does nothing (ratio)", rates["ours"] / rates["bare"], nothing)
    wrong = sum(one["twice"] + one["missing"] for one in found["ours"])
    yield Figure("jobs of these done twice or not at all", wrong, how, Goal("at most", 0))


def _filesystem(folder: Path) -> str:
    done = subprocess.run(("stat", "-f", "-c", "%T", str(folder)), capture_output=True, text=True, check=False)
    return done.stdout.strip() or "an unknown file system"


def main() -> int:
    figures: list[Figure] = []
    busy = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="greffier-bench-"))
    try:
        with progress.reporter() as report:
            figures += submitted(folder, report)
            figures += disk(folder / "disk", report)
            figures += shared(report)
            figures += faults.kills(folder / "kills", report)
            figures += faults.full(folder / "full", report)
            figures += faults.cut(folder / "cut", report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    how = "processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("jobs", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
