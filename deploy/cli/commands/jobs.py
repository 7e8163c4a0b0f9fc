"""The jobs that a service was handed: looked at, ended, tried again, taken along and erased."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.commands import completion
from deploy.cli.commands.options import DEFAULT, Inventory, Json, Yes
from deploy.cli.commands.verbs import Verbs

if TYPE_CHECKING:
    from deploy.client.jobs import Jobs

app = typer.Typer(
    help="Manage the jobs of a service. Reads the API key from GREFFIER_API_KEY, or asks for it.",
    no_args_is_help=True,
    cls=Verbs,
)

Identity = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
Service = Annotated[
    str | None,
    typer.Option("--service", "-s", help="Service to ask. Default: the first.", autocompletion=completion.services),
]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--base-url", "-u", help="URL of a service, such as https://whisper.example.org/v1; needs no inventory."
    ),
]
Status = Annotated[
    str, typer.Option("--status", help="Only these: queued, processing, completed, failed or cancelled.")
]
User = Annotated[str, typer.Option("--user", help="Only those of this user_uuid.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")]


@contextmanager
def _asked(inventory: Path, service: str | None, base_url: str) -> "Iterator[Jobs]":
    from deploy import workspace
    from deploy.cli import terminal
    from deploy.client import endpoints
    from deploy.client.jobs import Jobs

    callee = endpoints.at(base_url) if base_url else endpoints.of(workspace.glimpsed(inventory), service)
    key = terminal.api_key()
    with callee.client() as http:
        yield Jobs(callee, http, key)


@app.command("list")
def list_(
    inventory: Inventory = DEFAULT,
    service: Service = None,
    base_url: BaseUrl = "",
    status: Status = "",
    user: User = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List the jobs, the newest first."""
    from deploy.cli import job_tables

    with _asked(inventory, service, base_url) as jobs:
        job_tables.jobs(islice(jobs.listed(status, user), limit), as_json=as_json)


@app.command()
def show(
    job: Identity,
    inventory: Inventory = DEFAULT,
    service: Service = None,
    base_url: BaseUrl = "",
    response_format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="Print the transcript alone: text, json, verbose_json, diarized_json, srt or vtt.",
            autocompletion=completion.formats,
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Show where a job stands, or with --format its transcript."""
    from deploy.cli import job_tables
    from deploy.errors import KitError

    with _asked(inventory, service, base_url) as jobs:
        if not response_format:
            job_tables.job(jobs.show(job), as_json=as_json)
            return
        answer = jobs.result(job, response_format)
        if answer.status_code == 202:
            raise KitError(f"There is no transcript yet: the job is {jobs.show(job)['status']}.")
        typer.echo(answer.text.rstrip("\n"))


@app.command()
def cancel(job: Identity, inventory: Inventory = DEFAULT, service: Service = None, base_url: BaseUrl = "") -> None:
    """End a job that waits or is processed. It stays in the list."""
    with _asked(inventory, service, base_url) as jobs:
        jobs.cancel(job)
    typer.echo(f"Cancelled {job}.")


@app.command()
def retry(job: Identity, inventory: Inventory = DEFAULT, service: Service = None, base_url: BaseUrl = "") -> None:
    """Put a failed or cancelled job into the queue again."""
    with _asked(inventory, service, base_url) as jobs:
        again = jobs.retry(job)
    typer.echo(f"Job {again['job_id']} is {again['status']}.")


@app.command()
def export(
    inventory: Inventory = DEFAULT,
    service: Service = None,
    base_url: BaseUrl = "",
    status: Status = "",
    user: User = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write. Default: print.")] = None,
) -> None:
    """Write jobs with their transcripts as JSON Lines: one job a line, its `result` as verbose_json."""
    from deploy.cli import progress
    from deploy.client import job_export

    with _asked(inventory, service, base_url) as jobs, progress.reporter() as report:
        job_export.write(jobs, status, user, output, report)


@app.command()
def erase(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="The job's id.")] = None,
    inventory: Inventory = DEFAULT,
    service: Service = None,
    base_url: BaseUrl = "",
    user: Annotated[str, typer.Option("--user", help="Erase all jobs of this user_uuid.")] = "",
    yes: Yes = False,
) -> None:
    """Erase a job, or all jobs of a user: recordings, transcripts and the entries themselves."""
    from deploy.cli import terminal
    from deploy.errors import INVENTORY, KitError

    if bool(job) == bool(user):
        raise KitError("Name one job, or a user with --user.", "`greffier jobs list` shows them.", code=INVENTORY)
    with _asked(inventory, service, base_url) as jobs:
        if not terminal.agreed(f"Erase {job or f'all jobs of {user}'}?", yes=yes):
            return
        if job:
            jobs.erase(job)
            typer.echo(f"Erased {job}.")
        else:
            count = jobs.erase_user(user)
            typer.echo(f"Erased {count} {'job' if count == 1 else 'jobs'}.")


@app.command()
def webhooks(
    inventory: Inventory = DEFAULT,
    service: Service = None,
    base_url: BaseUrl = "",
    status: Annotated[str, typer.Option("--status", help="Only these: pending, delivered or dead.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List the webhooks, the newest first; --status dead shows those that could not be delivered."""
    from deploy.cli import job_tables

    with _asked(inventory, service, base_url) as jobs:
        job_tables.webhooks(islice(jobs.webhooks(status), limit), as_json=as_json)


@app.command()
def resend(
    webhook: Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")],
    inventory: Inventory = DEFAULT,
    service: Service = None,
    base_url: BaseUrl = "",
) -> None:
    """Deliver a webhook again."""
    with _asked(inventory, service, base_url) as jobs:
        again = jobs.resend(webhook)
    typer.echo(f"Webhook {again['id']} is {again['status']}.")
