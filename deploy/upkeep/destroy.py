"""Stop what runs and remove what is ours: what a record names, and nothing else."""

from collections.abc import Iterable
from pathlib import PurePath

from deploy.adoption import journal
from deploy.certificates import acme
from deploy.config.stack import HostStack
from deploy.models import fetching
from deploy.render import compose, notify, units
from deploy.runtime import docker, images
from deploy.state import records, users
from deploy.transport.targets import Target
from deploy.workspace import Workspace


def doomed(space: Workspace, host: HostStack, *, volumes: bool) -> list[str]:
    """What a removal takes away, in sentences; nothing where nothing is there."""
    target, layout = space.target(host), host.layout
    compose = host.runtime == "compose"
    ours = [layout.etc, layout.opt, layout.log]
    if volumes or not compose:
        ours.append(layout.var)
    there = target.existing([*ours, *_models(host)])
    going = _models(host) if compose else []
    folders = [path for path in ours if path in there]
    if not folders:
        return []
    names = [user.name for user in users.listed(target, layout)]
    found = [f"the folders {', '.join(folders)}"]
    found += [f"the users {', '.join(names)}"] if names else []
    if compose:
        found.append("the containers and images of its services" + (", with their data" if volumes else ""))
    found += [f"the model {path}" for path in going if path in there] if volumes else []
    return found


def run(space: Workspace, host: HostStack, *, volumes: bool) -> None:
    """Remove a host's everything; models and data only with `volumes`."""
    target = space.target(host)
    with target.lock("destroy"):
        clear(target, host, volumes=volumes)


def clear(target: Target, host: HostStack, *, volumes: bool = False) -> None:
    """The same, for who holds the lock. The journal of an adoption stays: it is what brings others' things back."""
    layout = host.layout
    record = records.read(target, host)
    for unit in ("autostart", "nginx"):
        target.supervisor.stop(unit)
    if host.runtime == "process":  # the models are those of every deployment of this user's
        root = PurePath(layout.etc).parent
        target.remove(str(root), below=str(root.parent.parent))
        return
    if volumes:
        target.remove(*_models(host))
    _containers(target, host, record.get("pulled", ()), volumes=volumes)
    target.run(("systemctl", "disable", units.SERVICE, units.SOCKET, units.GUARD), check=False)
    target.run(("systemctl", "stop", units.GUARD), check=False)
    target.run(units.UNSEAL, check=False)
    target.run(("systemctl", "disable", "--now", notify.TIMER), check=False)
    target.remove(notify.STATE)
    ours = {*record["files"], *record["pending"], units.UNIT, units.ADDRESS, units.GUARD_UNIT}
    target.remove(*sorted(ours), *(f"{path}.bak" for path in sorted(ours)))
    target.remove(units.AFTER_CERTBOT, below=str(PurePath(units.UNIT).parent))
    target.run(("systemctl", "daemon-reload"))
    target.run(("systemctl", "reload", "nginx"), check=False)
    if target.answer(acme.issued()):
        target.run(("certbot", "delete", "--non-interactive", "--cert-name", units.LINEAGE), check=False)
    if volumes and journal.path(layout) not in target.existing([journal.path(layout)]):
        target.remove(layout.var)
    elif volumes:
        inside = ("find", layout.var, "-mindepth", "1", "-maxdepth", "1", "!", "-path", journal.path(layout))
        target.remove(*target.run(inside).splitlines())
    else:
        target.remove(layout.record, f"{layout.var}/acme")
    target.remove(layout.etc, layout.opt, layout.log)
    target.run(("userdel", "greffier"), check=False)


def _containers(target: Target, host: HostStack, pulled: Iterable[str], *, volumes: bool) -> None:
    listed = target.run(docker.list_containers("{{.Names}}", named=True))
    services = (host.services, host.in_second_slots([service.name for service in host.services]).services)
    wanted = {compose.container(service) for both in services for service in both}
    images.remove(target, sorted(wanted | set(listed.split())), volumes=volumes)
    kept = _volumes(target) if volumes else []
    if kept:
        target.run(docker.remove_volumes(kept))
    tags = target.run(docker.list_built()).split()
    if tags:
        target.run(docker.remove_images(tags))
    for image in pulled:
        target.run(docker.remove_images((image,)), check=False)  # somebody else's container may be made of it


def _volumes(target: Target) -> list[str]:
    """Data of services that are taken out of the inventory: their containers are gone, it is not."""
    listed = target.run(docker.list_volumes()).splitlines()
    return [line.split()[0] for line in listed if line.partition(" ")[2].startswith("greffier-")]


def _models(host: HostStack) -> list[str]:
    return sorted(
        {fetching.folder(host.layout.models, name) for service in host.services for name in service.all_models}
    )
