"""What a deploy is to bring about on a host: all that the inventory says, a former release, or one service alone."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deploy import render, workspace
from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import INVENTORY, InventoryError, KitError
from deploy.models import fetching
from deploy.render.manifest import Manifest, exchanged
from deploy.runtime import components, images
from deploy.state import plan, releases
from deploy.state.releases import Release
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.types import Tree
from deploy.workspace import Workspace

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Aim:
    """`host` and `tree` are the whole of what shall be; `services` are those that this deploy is about."""

    host: HostStack
    tree: Tree
    manifest: Manifest
    services: tuple[ServiceStack, ...]
    components: Mapping[str, components.Component]
    images: Mapping[str, ServiceStack]
    models: Mapping[str, fetching.Request]
    units: Mapping[str, str]
    inventory: Document
    """What an inventory of this host alone would have to say for this tree."""
    scope: frozenset[str] | None = None
    """Paths that may be changed; None: every one that is wanted or recorded."""
    former: Release | None = None
    """The release that this goes back to, or of which it keeps the other services."""
    back: bool = False

    @property
    def verb(self) -> str:
        """The command that has this aim, as the book of deploys tells it."""
        if self.back and self.former:
            return f"rollback to {self.former.number}"
        return "deploy" if self.scope is None else f"deploy of {', '.join(s.name for s in self.services)} alone"

    def concerns(self, path: str) -> bool:
        return self.scope is None or path in self.scope

    def about(self, service: str) -> bool:
        return self.scope is None or service in {s.name for s in self.services}

    def instead(self, release: Release) -> "Aim":
        """Back to a release within the same bounds."""
        aim = _back(self, release)
        return aim if self.scope is None else replace(aim, services=self.services, scope=self.scope)


Aiming = Callable[[HostStack, Mapping[str, Any], Collection[str]], Asking[Aim]]
"""Takes the host as it was seen, its record, and the services that serve from their second ports; asks for what else
it depends on."""


def of(space: Workspace, service: str | None) -> Aiming:
    """The named service alone, or all."""
    return alone(space, service) if service else whole(space)


def whole(space: Workspace) -> Aiming:
    """All that the inventory says of a host."""
    return lambda host, _, second: asking.known(_all(space, host.seconded(second)))


def back(space: Workspace, release: Release) -> Aiming:
    """A former release."""
    return lambda host, _, second: asking.known(_back(_all(space, host.seconded(second)), release))


def alone(space: Workspace, service: str) -> Aiming:
    """One service as the inventory has it, and the others as they were deployed last. Raises KitError."""
    return lambda host, record, second: _alone(space, host, service, record, second)


def _all(space: Workspace, host: HostStack) -> Aim:
    document = part(space.source.data, host.name)
    return _aim(space, host, render.tree(host), render.services(host), host.services, document)


def _aim(
    space: Workspace,
    host: HostStack,
    tree: Tree,
    manifest: Manifest,
    services: tuple[ServiceStack, ...],
    document: Document,
) -> Aim:
    concerned = replace(host, services=services)
    built = {component.path: component for component in components.of(concerned)}
    requests = fetching.wanted(concerned, space.path)
    units = workspace.releases(host)
    return Aim(host, tree, manifest, services, built, images.wanted(concerned), requests, units, document)


def _back(aim: Aim, release: Release) -> Aim:
    return replace(
        aim,
        tree=release.tree,
        manifest=release.manifest,
        components={path: built for path, built in aim.components.items() if path in release.components},
        images={image: service for image, service in aim.images.items() if image in release.images},
        models={name: request for name, request in aim.models.items() if name in release.models},
        units=release.units,
        inventory=release.inventory,
        former=release,
        back=True,
    )


def _alone(
    space: Workspace, host: HostStack, service: str, record: Mapping[str, Any], second: Collection[str]
) -> Asking[Aim]:
    now, whole_first = part(space.source.data, host.name), "Deploy the host without --service."
    if not record["release"] and (yield from releases.numbers(host.layout)):
        raise KitError(f"{host.name} was restored and has not been deployed to since.", whole_first, code=INVENTORY)
    former = (yield from releases.load(host.layout, record["release"])) if record["release"] else None
    if former and not former.inventory:
        raise KitError(
            f"{host.name} was deployed by an older Greffier, which kept no inventory.", whole_first, code=INVENTORY
        )
    if former and dict(former.units) != workspace.releases(host):
        raise KitError(f"{host.name} runs the autostart of another Greffier version.", whole_first, code=INVENTORY)
    document = mixed(former.inventory if former else {**now, "services": {}}, now, service)
    try:
        stack = workspace.resolved(space, host, document)
    except InventoryError as error:
        raise KitError(
            f"{service} conflicts with what {host.name} runs:\n{error.message}", whole_first, code=INVENTORY
        ) from None
    there = stack.hosts[0].seconded(second)
    mixed_manifest = exchanged(former.manifest if former else {}, render.services(there), service)
    share = plan.alone(render.tree(there), former.tree if former else {}, mixed_manifest, there, service)
    if set(record["pending"]) - share.scope:
        raise KitError(f"An earlier deploy of {host.name} was interrupted.", whole_first, code=INVENTORY)
    services = tuple(s for s in there.services if s.name == service)
    aim = _aim(space, there, share.tree, mixed_manifest, services, document)
    return replace(aim, scope=share.scope, former=former)


def part(inventory: Document, host: str) -> dict[str, Any]:
    """What an inventory says of one host, as an inventory of its own."""
    hosts, services = inventory["hosts"], inventory.get("services", {})
    only = next(iter(hosts)) if len(hosts) == 1 else None
    here = {name: said for name, said in services.items() if said.get("host", only) == host}
    portal = inventory.get("portal", {}) if next(iter(hosts)) == host else {"enabled": False}
    told = {"notify": inventory["notify"]} if inventory.get("notify") else {}
    return {"hosts": {host: hosts[host]}, "services": here, "portal": portal, **told}


def mixed(last: Document, now: Document, service: str) -> dict[str, Any]:
    """The last inventory with one service as it is said now, in the order of now."""
    services = {**last["services"], service: now["services"][service]}
    order = [*(name for name in now["services"] if name in services), *services]
    return {**last, "services": {name: services[name] for name in dict.fromkeys(order)}}
