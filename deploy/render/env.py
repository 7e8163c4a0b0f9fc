"""Environments of services: plain values as data, secrets as references in a file of their own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.config.stack import HostStack, ServiceStack, Stack
from deploy.errors import InventoryError, Problem
from deploy.types import Effect, File, Part, Reference, Secret

OFFLINE = {"HF_HUB_OFFLINE": "1"}
"""For the hub's library: all models are fetched by `deploy`, whose token no service gets."""


@dataclass(frozen=True)
class Ports:
    """Where a service listens; `wyoming` 0: not for that."""

    host: str
    port: int
    wyoming: int


def settings(service: ServiceStack, ports: Ports, *, models: str, jobs: str, diarization: str = "") -> dict[str, str]:
    """What the kit tells the service, and what the inventory adds; no secrets. `jobs`: where it keeps them.
    `diarization`: where the folder of a diarizer is, if not where the inventory says."""
    told = {"TZ": service.timezone}
    if service.own:
        names = service.own.settings
        told = {
            names.host: ports.host,
            names.port: str(ports.port),
            names.model: service.model,
            names.models_dir: models,
            names.device: service.device,
            names.compute_type: service.compute_type,
            names.upload_limit: str(service.upload_limit),
            **OFFLINE,
        } | told
        if service.diarizer:
            told[names.diarizer] = service.diarizer.name
            told[names.diarization_model] = diarization or service.diarizer.model
        if service.alignment:
            told[names.align_models] = ",".join(f"{language}={model}" for language, model in service.alignment)
        if service.models:
            told[names.models] = ",".join(service.models)
        told |= _jobs(service, jobs)
        if ports.wyoming:
            told |= {names.wyoming_host: ports.host, names.wyoming_port: str(ports.wyoming)}
    return told | dict(service.environment)


def _jobs(service: ServiceStack, folder: str) -> dict[str, str]:
    wanted, own = service.jobs, service.own
    if wanted is None or own is None:
        return {}
    names = own.settings
    told = {
        names.jobs_dir: folder,
        names.jobs_pending: str(wanted.pending),
        names.jobs_per_user: str(wanted.per_user),
        names.jobs_keep_audio: str(wanted.keep_audio),
        names.jobs_keep_transcripts: str(wanted.keep_transcripts),
    }
    if wanted.webhook:
        told[names.webhook] = wanted.webhook
    if wanted.queue:
        told |= {names.jobs_queue: wanted.queue, names.jobs_address: wanted.address}
    return told


def path(host: HostStack, service: ServiceStack) -> str:
    """A service's .env, which holds its secrets."""
    return f"{host.layout.etc}/services/{service.name}/.env"


def files(host: HostStack) -> Iterator[tuple[str, File]]:
    """One .env per service, with its secrets only: KEY='value'."""
    layout = host.layout
    for service in host.services:
        parts: list[Part] = []
        for variable, reference in service.secrets:
            parts += [f"{variable}='", reference, "'\n"]
        effect = Effect("restart", service.name)
        yield path(host, service), File(tuple(parts), 0o640, layout.root, layout.group, (effect,))


def recovered(file: File, text: str) -> dict[Reference, Secret]:
    """The secrets that a text carries where it was made of that file; none where it was not."""
    pattern = "".join(re.escape(part) if isinstance(part, str) else "(.*)" for part in file.parts)
    found = re.fullmatch(pattern, text)
    return dict(zip(file.references, map(Secret, found.groups()), strict=True)) if found else {}


def changed(there: str, wanted: str) -> tuple[str, ...]:
    """Names of the settings whose lines are not the same in both texts."""
    lines = set(there.splitlines()) ^ set(wanted.splitlines())
    return tuple(sorted({line.partition("=")[0] for line in lines}))


def check_writable(stack: Stack, secrets: Mapping[Reference, Secret]) -> None:
    """Refuse secrets that an .env file cannot carry unchanged to every reader. Raises InventoryError."""
    problems = list(unwritable(stack, secrets))
    if problems:
        raise InventoryError(problems)


def unwritable(stack: Stack, secrets: Mapping[Reference, Secret]) -> Iterator[Problem]:
    """What is wrong with those, of the secrets that are known."""
    for host in stack.hosts:
        named = [("notify", reference) for reference in (host.notify.references if host.notify else ())]
        named += [one for service in host.services for one in service.secrets]
        for variable, reference in named:
            value = secrets[reference].reveal() if reference in secrets else ""
            if any(ord(c) < 32 or ord(c) == 127 for c in value) or "'" in value or "\\" in value:
                yield Problem(
                    reference.place,
                    f"the secret of {variable} has a quote, a backslash or a control character",
                    "an .env file cannot carry it unchanged: take a secret without these",
                )
