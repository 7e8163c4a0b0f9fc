"""Compose files, built as data: one project per service, published on 127.0.0.1 only."""

from collections.abc import Iterator
from typing import Any

import yaml

from deploy.config.stack import WYOMING, HostStack, ServiceStack
from deploy.render import env
from deploy.types import Effect, File, digest

USER = "10001:10001"
"""Ids of the images' user: no user of the host, and not in the group greffier."""
HANDED_OVER = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
"""Of Docker's own set, what an image needs that begins as root, makes its folders ready and goes on as a user of its
own, perhaps on a port below 1024. Raw sockets, devices and changing its own rights are not among them."""
MODELS = "/models"
DIARIZER = "/diarizer"
SPOOL = "/spool"
JOBS = "/jobs"
ALIVE = ("python", "-m", "stt_core.alive")
"""Asks the service of one of our images whether it serves; the images' own health check is the same."""

# How long a service may take to start and to stop, autostart says. Were it said here too, another time would make the
# container anew. These two are Docker's own, for what autostart does not do.
GRACE = "30s"
"""When the host goes down, or somebody says `docker stop`."""
START_PERIOD = "10m"
"""For the word that `docker ps` has for its health. Once it has answered, this is over."""

LABEL = "greffier.service"
"""Of a container: the name of its service."""
BRIDGE = "greffier-"
"""How the bridges of our containers' networks begin: what is not let through to them is said of these (units.py)."""
CONTAINERS = "greffier-"
"""How the names of our containers begin, and of their projects."""
SECOND = "_2"
"""No service's name has an underscore."""


def container(service: ServiceStack) -> str:
    """Its container, and the project of that; two releases that run at the same time have two."""
    return f"{CONTAINERS}{service.name}" + SECOND * service.second


def bridge(service: ServiceStack) -> str:
    """The interface of its network on the host: 15 characters at most, and no other service's."""
    return BRIDGE + digest(container(service))[:6]


def folder(host: HostStack, service: ServiceStack) -> str:
    """Folder of a service's compose file and its .env."""
    return f"{host.layout.etc}/services/{service.name}"


def jobs_folder(host: HostStack, service: ServiceStack) -> str:
    """The host's folder of a service's jobs: its own, so that both of its slots, autostart and a backup reach it."""
    return f"{host.layout.var}/jobs/{service.name}"


def project(host: HostStack, service: ServiceStack) -> dict[str, Any]:
    """The compose file of one service, as data."""
    wyoming = service.container_port + WYOMING if service.wyoming else 0
    listens = env.Ports("0.0.0.0", service.container_port, wyoming)
    values = env.settings(service, listens, models=MODELS, jobs=JOBS, diarization=_diarizer(service) and DIARIZER)
    published = [(service.port, service.container_port), *([(service.wyoming_port, wyoming)] if wyoming else [])]
    definition: dict[str, Any] = {
        "image": service.image,
        "container_name": container(service),
        "labels": {LABEL: service.name},
        **({"profiles": [service.profile]} if service.profile else {}),
        # Only autostart starts and stops it: Docker must not wake at boot what was asleep.
        "restart": "no",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": service.memory,
        "pids_limit": 512,
        "stop_grace_period": GRACE,
        "networks": ["own"],
        "ports": [f"127.0.0.1:{outer}:{inner}" for outer, inner in published],
        "environment": values,
        "env_file": [".env"],
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }
    volumes = [name for name, _ in service.volumes]
    if service.own:
        volumes = ["spool"]
        _confine(definition, host, service)
    else:
        definition["cap_add"] = list(HANDED_OVER)
        definition["volumes"] = [{"type": "volume", "source": n, "target": at} for n, at in service.volumes]
    if service.device == "cuda":
        gpu = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
        definition["deploy"] = {"resources": {"reservations": {"devices": [gpu]}}}
    return {
        "name": container(service),
        "services": {service.name: _escaped(definition)},
        "networks": {"own": {"driver_opts": {"com.docker.network.bridge.name": bridge(service)}}},
        "volumes": {name: {} for name in volumes},
    }


def _confine(definition: dict[str, Any], host: HostStack, service: ServiceStack) -> None:
    """What only an image of the kit's is known to live with, and what only it needs."""
    definition["user"] = USER
    definition["read_only"] = True
    definition["tmpfs"] = ["/tmp"]
    definition["environment"]["TMPDIR"] = SPOOL
    definition["volumes"] = [
        {"type": "bind", "source": host.layout.models, "target": MODELS, "read_only": True},
        {"type": "volume", "source": "spool", "target": SPOOL},
    ]
    if service.jobs:
        definition["volumes"].append({"type": "bind", "source": jobs_folder(host, service), "target": JOBS})
    if _diarizer(service):
        definition["volumes"].append(
            {"type": "bind", "source": _diarizer(service), "target": DIARIZER, "read_only": True}
        )
    definition["healthcheck"] = {
        "test": ["CMD", *ALIVE, str(service.container_port)],
        "interval": "30s",
        "timeout": "5s",
        "retries": 3,
        "start_period": START_PERIOD,
    }


def _diarizer(service: ServiceStack) -> str:
    """The host's folder that its diarizer lies in, where that is not among the models."""
    return service.diarizer.folder if service.diarizer else ""


def files(host: HostStack) -> Iterator[tuple[str, File]]:
    """compose.yml of every service."""
    layout = host.layout
    for service in host.services:
        text = yaml.dump(project(host, service), Dumper=_Quoted, sort_keys=False, allow_unicode=True, width=1000)
        effect = Effect("restart", service.name)
        yield f"{folder(host, service)}/compose.yml", File((text,), 0o640, layout.root, layout.group, (effect,))


class _Quoted(yaml.SafeDumper):
    """Compose reads YAML 1.2 and PyYAML writes 1.1: there `1e3` and `0o17` are text, and U+0085 ends a line."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if not text.isascii() else "'" if any(c.isdigit() for c in text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Quoted.add_representer(str, _Quoted.represent_text)


def _escaped(value: Any) -> Any:
    """Compose replaces $NAME inside strings: a doubled dollar is a dollar."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return value
