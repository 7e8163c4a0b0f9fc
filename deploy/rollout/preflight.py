"""What stands in the way of a deploy, found before anything is changed: one look at the host, judged at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.config.quantities import show_size
from deploy.errors import HOST, KitError
from deploy.rollout import survey
from deploy.rollout.planning import PlannedRollout
from deploy.setup import apt

SPARE = 64 << 20
"""Bytes for what every deploy leaves: files, releases, logs, autostart's environment (46 MB)."""
MEMORY_SHARE = 0.9
"""Of a host that is sold with 4 GB, firmware and kernel keep a little: a service of 4G shall fit there."""


@dataclass(frozen=True)
class Need:
    """Room for one thing, where it will lie."""

    what: str
    path: str
    size: int


@dataclass(frozen=True)
class Wanted:
    """What the host must have for this deploy. `ours` are parts of paths that belong to the kit."""

    host: str
    room: Sequence[Need]
    image_room: Sequence[Need]
    """The same below Docker's own folder, wherever that is: their `path` is empty."""
    memory: Mapping[str, int]
    """Bytes that each service may take."""
    ours: Sequence[str]


@dataclass(frozen=True)
class Obstacle:
    """One thing in the way, what to do about it, and what the host said."""

    message: str
    hint: str
    output: str = ""


def check(rollout: PlannedRollout) -> None:
    """Look at the host, and raise KitError with everything that stands in the way."""
    wanted = _wanted(rollout)
    compose = rollout.host.runtime == "compose"
    request = {"free": [need.path for need in wanted.room], "docker": compose, "nginx": compose}
    found = [*obstacles(wanted, rollout.target.look("resources", request)), *_models(rollout)]
    if found:
        raise KitError(
            "\n".join(obstacle.message for obstacle in found),
            "\n".join([*(obstacle.hint for obstacle in found), "Nothing was changed on the host."]),
            output="\n".join(obstacle.output for obstacle in found if obstacle.output),
            code=HOST,
        )


def _models(rollout: PlannedRollout) -> Iterator[Obstacle]:
    """What the services need of others and do not get."""
    for name, sentence in rollout.withheld.items():
        if name in rollout.models:
            yield Obstacle(sentence, "Or use `diarizer: auto`.")
    folders = {s.diarizer.folder: s.name for s in rollout.target_state.services if s.diarizer and s.diarizer.folder}
    for folder in folders.keys() - rollout.target.existing(list(folders)) if folders else ():
        told = f"{folder} does not exist on {rollout.host.name}; {folders[folder]} needs the diarization model in it."
        yield Obstacle(told, "Copy the model's folder there, or set another `diarization_model`.")


def _wanted(rollout: PlannedRollout) -> Wanted:
    host, plan = rollout.host, rollout.plan
    layout = host.layout
    room = [Need("Greffier's own files", layout.var, SPARE)]
    for name in plan.models:
        files = rollout.models[name]["files"] or {}
        room.append(Need(name, layout.models, sum(entry["size"] or 0 for entry in files.values())))
    # How much somebody else's takes is known when it is there.
    built = [(s.kind.name, s.own.disk) for image, s in rollout.images.items() if image in plan.images and s.own]
    return Wanted(
        host.name,
        room,
        [Need(f"the image of {name}", "", size) for name, size in built],
        # A process of this machine has no limit of its own.
        {service.name: service.memory for service in host.services if host.runtime == "compose"},
        (f"{layout.etc}/", f"{layout.nginx_conf}/greffier-"),
    )


def obstacles(wanted: Wanted, look: Mapping[str, Any]) -> Iterator[Obstacle]:
    """Everything that stands in the way, by what deploy.host.resources found."""
    if "docker" in look:
        yield from _docker(wanted.host, look["docker"])
    if look.get("nginx"):
        yield from _nginx(wanted, look["nginx"])
    whole = look["memory"]
    for name, size in wanted.memory.items():
        if size * MEMORY_SHARE > whole:
            yield Obstacle(
                f"{name} may use {show_size(size)} of memory, but {wanted.host} has {_gigabytes(whole)}.",
                f"Use a smaller model for {name} or a larger host. If it is known to need less, set its `memory`.",
            )
    docker_root = look["docker"]["root"] if "docker" in look else ""
    needs = [*wanted.room, *(Need(need.what, docker_root, need.size) for need in wanted.image_room)]
    yield from _disks(wanted.host, needs, look["free"])


def _disks(host: str, needs: Sequence[Need], free: Mapping[str, Sequence[int]]) -> Iterator[Obstacle]:
    """Each file system once: folders of the same one share what is free there."""
    for device in dict.fromkeys(free[need.path][0] for need in needs):
        here = [need for need in needs if free[need.path][0] == device]
        left = min(free[need.path][1] for need in here)
        size = sum(need.size for need in here)
        if size > left:
            paths = ", ".join(dict.fromkeys(need.path for need in here))
            parts = ", ".join(f"{need.what} {_gigabytes(need.size)}" for need in here)
            yield Obstacle(
                f"{host} has {_gigabytes(left)} free at {paths}, but this deploy needs {_gigabytes(size)} ({parts}).",
                "Free some with `greffier prune`, which removes unused images and releases, or use a smaller model.",
            )


def _docker(host: str, docker: Mapping[str, str]) -> Iterator[Obstacle]:
    if not docker["version"]:
        error = survey.no_docker(host, docker["said"])
        yield Obstacle(error.message, error.hint, error.output)
        return
    if apt.too_old(docker["version"]):
        oldest = ".".join(map(str, apt.OLDEST))
        yield Obstacle(f"Docker {docker['version']} on {host} is too old.", f"Greffier needs Docker {oldest} or newer.")
    if not docker["compose"]:
        yield Obstacle(f"Docker on {host} has no Compose v2.", f"`greffier setup {host}` installs it.")


def _nginx(wanted: Wanted, words: str) -> Iterator[Obstacle]:
    """What is wrong in our own files, this very deploy puts right."""
    if not any(part in words for part in wanted.ours):
        yield Obstacle(
            f"nginx on {wanted.host} rejects its current configuration, which is not Greffier's.",
            "Fix what it names, then check with `nginx -t` on the host.",
            words,
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
