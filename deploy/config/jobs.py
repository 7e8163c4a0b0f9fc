"""What an inventory means for the jobs of a service."""

from collections.abc import Iterator

from deploy.config.catalog import Own
from deploy.config.inventory import Service
from deploy.config.stack import JobsStack


def stack(name: str, service: Service, origin: str) -> JobsStack | None:
    """None for a service that keeps no jobs. `origin`: the service's own address."""
    jobs = service.jobs
    if not jobs.enabled:
        return None
    return JobsStack(
        pending=jobs.pending,
        per_user=jobs.per_user,
        keep_audio=jobs.keep_audio,
        keep_transcripts=jobs.keep_transcripts,
        webhook=jobs.webhook or "",
        address=(jobs.address or origin) if jobs.database else "",
        queue=(jobs.queue or name) if jobs.database else "",
    )


def secrets(service: Service, own: Own) -> Iterator[tuple[str, str, str]]:
    """(variable, key of the inventory, reference) of what is secret of a service's jobs."""
    jobs, names = service.jobs, own.settings
    keys = {"database": names.database, "key": names.jobs_key, "webhook_secret": names.webhook_secret}
    for key, variable in keys.items():
        if jobs.enabled and (text := getattr(jobs, key)):
            yield variable, key, text
