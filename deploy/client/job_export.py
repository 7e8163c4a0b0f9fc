"""Jobs with their transcripts, as JSON Lines."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from deploy.client.jobs import Jobs, Refused
from deploy.errors import HOST, KitError
from deploy.reporting import Reporter


def write(jobs: Jobs, status: str, user: str, output: Path | None, report: Reporter) -> None:
    """Each job a line, to a file that appears when it is whole, or to standard output. `result` is null where there is
    no transcript. Raises KitError."""
    count = 0
    with report.step("Exporting jobs") as bar, _opened(output) as file:
        for job in jobs.listed(status, user):
            result = None
            if job.get("status") == "completed":
                try:
                    result = json.loads(jobs.result(str(job["job_id"]), "verbose_json").text)
                except Refused as error:
                    if error.status != 404:  # its time was over, or it was erased meanwhile
                        raise
            file.write(json.dumps({**job, "result": result}, ensure_ascii=False) + "\n")
            count += 1
            bar.update(0, 0, f"{count} jobs")
    if output:
        report.say(f"Wrote {count} {'job' if count == 1 else 'jobs'} to {output}.")


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise KitError(f"{output} cannot be written: {error.strerror}.", code=HOST) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
