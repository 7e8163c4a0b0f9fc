"""autostart's config.json: which host name wakes which service, and how."""

import json
from collections.abc import Iterator
from typing import Any

from deploy.config.stack import HostStack, ServiceStack
from deploy.render import compose, env
from deploy.render.manifest import Manifest, ServiceManifest
from deploy.types import Effect, File, digest

WAKE_FILE = "wake_at"
"""In the folder of a service's jobs: what tells autostart that some are left. The service writes it."""


def path(host: HostStack) -> str:
    """autostart's configuration on a host."""
    return f"{host.layout.etc}/autostart/config.json"


def openapi_path(host: HostStack, service: ServiceStack) -> str:
    """A service's API description, which autostart shows while the service sleeps."""
    return f"{host.layout.etc}/services/{service.name}/openapi.json"


def image_folder(host: HostStack, service: ServiceStack) -> str:
    """Where the process runtime keeps the service's code, by digest."""
    return f"{host.layout.opt}/images/{service.kind.name}-{service.kind.code_digest[:16]}"


def environment_folder(host: HostStack, service: ServiceStack) -> str:
    """Where the process runtime keeps the service's virtual environment, by digest of what is in it."""
    lock, torch = service.kind.lock_digest, service.torch
    made_of = digest(f"{lock} {torch.version} {torch.index}") if torch else lock
    return f"{host.layout.opt}/environments/{service.kind.name}-{made_of[:16]}"


def log_path(host: HostStack, service: ServiceStack) -> str:
    """Where the process runtime writes a service's output."""
    return f"{host.layout.log}/{service.name}.log"


def files(host: HostStack) -> Iterator[tuple[str, File]]:
    """config.json, and the API descriptions that autostart shows for sleeping services."""
    layout = host.layout
    yield path(host), config(host, manifest(host))
    for service in host.services:
        if service.kind.openapi_text:
            target = openapi_path(host, service)
            yield target, File((service.kind.openapi_text,), 0o644, layout.root, layout.root_group)


def manifest(host: HostStack) -> Manifest:
    """What is rendered of each service, by name."""
    return {
        service.name: ServiceManifest(
            service.name, service.hostname, "" if host.runtime == "process" else service.image, _entry(host, service)
        )
        for service in host.services
    }


def config(host: HostStack, services: Manifest) -> File:
    """config.json, with the services as a manifest has them."""
    layout = host.layout
    document = {
        "listen": f"127.0.0.1:{layout.autostart_port}",
        "control": layout.control,
        "services": {service.hostname: service.entry for service in services.values()},
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return File((text,), 0o640, layout.root, layout.group, (Effect("reload", "autostart"),))


def other_releases(there: str, wanted: str) -> tuple[str, ...]:
    """Names of the services that both configurations have, and of which what runs is not the same. `there` may be
    damaged: then nothing is known of it."""

    def releases(text: str) -> dict[str, str]:
        return {entry["name"]: entry["release"] for entry in json.loads(text)["services"].values()}

    try:
        before = releases(there)
    except (ValueError, LookupError, AttributeError, TypeError):
        return ()
    return tuple(name for name, release in releases(wanted).items() if before.get(name, release) != release)


def _entry(host: HostStack, service: ServiceStack) -> dict[str, Any]:
    process = _process(host, service) if host.runtime == "process" else {}
    made_of = [
        json.dumps(process or compose.project(host, service)),
        *(f"{variable}={reference}" for variable, reference in service.secrets),
    ]
    entry: dict[str, Any] = {
        "name": service.name,
        "composeDir": compose.folder(host, service),
        "proxyPort": service.port,
        "blocking": True,
        "containers": [compose.container(service)],
        "driver": "process" if host.runtime == "process" else "docker",
        "release": digest("\n".join(made_of))[:16],
        "healthPath": service.paths.health,
        "readyPath": service.paths.ready,
        "quietPaths": list(service.paths.quiet),
        "idleSeconds": service.idle,
        "startSeconds": service.start_timeout,
        "stopSeconds": service.stop_timeout,
        "drainSeconds": service.drain_timeout,
        # What keeps a service of the kit's from starting is a sentence, its last line; others may say anything.
        "tellsWhy": service.own is not None,
    }
    if service.jobs:
        entry["wakeFile"] = f"{compose.jobs_folder(host, service)}/{WAKE_FILE}"
    if service.wyoming:
        entry["tcp"] = [{"listen": list(service.wyoming), "port": service.wyoming_port}]
    if service.kind.openapi_text:
        entry["openapi"] = openapi_path(host, service)
    if process:
        entry["process"] = process
    return entry


def _process(host: HostStack, service: ServiceStack) -> dict[str, Any]:
    code = image_folder(host, service)
    assert service.own
    ports = env.Ports("127.0.0.1", service.port, service.wyoming_port)
    values = env.settings(service, ports, models=host.layout.models, jobs=compose.jobs_folder(host, service))
    return {
        "command": [f"{environment_folder(host, service)}/bin/python", "-m", service.own.module],
        "directory": code,
        "environment": values | {"PYTHONPATH": ":".join(f"{code}/{path}" for path, _ in service.kind.code)},
        "environmentFile": env.path(host, service),
        "log": log_path(host, service),
    }
