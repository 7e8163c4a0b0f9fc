"""Jobs and webhooks: tables on a terminal, lines or JSON in a pipe. What callers named is shown without its control
characters: it may come from anybody."""

import datetime as dt
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deploy.cli.tables import ago, out, table

COLUMNS = ("job", "status", "place", "done", "handed in", "user", "message", "error")
WEBHOOK_COLUMNS = ("webhook", "job", "status", "tries", "receiver", "error")
LONGEST = 60
"""Letters of a name or an error in a table."""


def jobs(listed: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    found = list(listed)
    if as_json:
        _json(found)
        return
    if not found and out.is_terminal:
        out.print("No jobs.")
        return
    table(COLUMNS, [_row(job) for job in found])


def job(shown: Mapping[str, Any], *, as_json: bool) -> None:
    """All of one job."""
    if as_json:
        _json(shown)
        return
    for name, value in shown.items():
        if name == "created_at":
            print(f"{name}: {dt.datetime.fromtimestamp(value, dt.UTC):%Y-%m-%d %H:%M:%S} UTC")
        elif value is not None:
            print(f"{name}: {_printable(str(value), sys.maxsize)}")


def webhooks(listed: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    found = list(listed)
    if as_json:
        _json(found)
        return
    if not found and out.is_terminal:
        out.print("No webhooks.")
        return
    names = ("id", "job_id", "status", "attempts", "url", "error")
    table(WEBHOOK_COLUMNS, [tuple(_cell(each.get(name)) for name in names) for each in found])


def _row(job: Mapping[str, Any]) -> Sequence[str]:
    return (
        _cell(job.get("job_id")),
        _cell(job.get("status")),
        _cell(job.get("queue_position")),
        f"{int(100 * (job.get('progress') or 0))} %",
        f"{ago(max(0.0, time.time() - (job.get('created_at') or 0)))} ago",
        _cell(job.get("user_uuid")),
        _cell(job.get("message_id")),
        _cell(job.get("error")),
    )


def _cell(value: Any) -> str:
    return "" if value is None else _printable(str(value), LONGEST)


def _printable(text: str, longest: int) -> str:
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def _json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()
