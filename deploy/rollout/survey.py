"""One look at a host: what is wanted there, what there is, and the plan between."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from deploy.certificates import acme, issuing
from deploy.config import model_names, secrets
from deploy.config.stack import HostStack, ServiceStack, Stack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.models import fetching, gated
from deploy.render import autostart, env
from deploy.rollout.target_state import Aim, Aiming
from deploy.runtime import components, control, images
from deploy.state import plan, records, users
from deploy.state.plan import Have, Plan, Record, Survey, Wanted
from deploy.state.releases import Release
from deploy.transport.connection import Lost
from deploy.transport.targets import Target
from deploy.types import Reference, Secret, Tree, digest
from deploy.workspace import Workspace


@dataclass(frozen=True)
class Prospect:
    """Everything an apply needs, looked at once."""

    host: HostStack
    target: Target
    tree: Tree
    secrets: Mapping[Reference, Secret]
    record: dict[str, Any]
    plan: Plan
    models: Mapping[str, fetching.Request]
    components: Mapping[str, components.Component]
    images: Mapping[str, ServiceStack]
    aim: Aim
    withheld: Mapping[str, str]
    """Models that the hub does not give, each with why and what to do. Those that the services need are among
    `models`."""

    @property
    def concerned(self) -> dict[str, dict[str, Any]]:
        """The entries of those services that this deploy is about."""
        return {name: entry for name, entry in self.services.items() if self.aim.about(name)}

    @property
    def sizes(self) -> dict[str, int]:
        """About how many bytes there are to fetch or to build, by what the plan's steps are about; of others nobody
        knows."""
        found = {}
        for name, request in self.models.items():
            files = request["files"] or {}
            known = sum(entry["size"] or 0 for entry in files.values())
            known = known or max((model_names.size(s.own.models, name) for s in self.aim.services if s.own), default=0)
            found[f"model {name}"] = known
        for image, service in self.images.items():
            if service.own and service.image_from != "registry":
                found[f"image {image}"] = service.own.disk
        return {what: size for what, size in found.items() if size}

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The record's entry of each wanted file, by path; of one that is not this deploy's matter, what was recorded
        of it."""
        kept = {path: entry for path, entry in self.record["files"].items() if not self.aim.concerns(path)}
        tree = {path: file for path, file in self.tree.items() if self.aim.concerns(path)}
        digests = records.digests(tree, self.secrets, self.record["salt"])
        return kept | {p: {"digest": value, "salted": bool(tree[p].references)} for p, value in digests.items()}

    @property
    def changed(self) -> frozenset[str]:
        """Services that shall run anew."""
        due = {effect.what for effect in self.plan.effects if effect.verb == "restart"}
        return frozenset(due & self.services.keys())

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """autostart's entry of each service of the tree, by name, with its `hostname`: a former release may have
        others than the inventory."""
        return _services(self.tree, self.host)


def look(
    space: Workspace,
    host: HostStack,
    aiming: Aiming,
    known: Mapping[Reference, Secret] | None = None,
    second: Collection[str] | None = None,
) -> Prospect:
    """Survey a host and plan for an aim. `known` secrets are not resolved anew. `second`: the services that shall be
    at their second ports; by default those that are. Raises KitError."""
    target = space.target(host)
    host = host.seen(*target.supervisor.nginx(), ipv6=bool(target.facts.get("ipv6", True)))
    record = records.read(target, host)
    aim = aiming(host, record, control.seconds(host, target, record) if second is None else second)
    host = aim.host
    about = Stack((replace(host, services=aim.services),))
    tree = {path: file for path, file in aim.tree.items() if aim.concerns(path)}
    references = {*about.references, *(r for file in tree.values() for r in file.references)}
    resolved = dict(known or {})
    resolved |= secrets.resolve(references - resolved.keys(), space.path.resolve().parent)
    env.check_writable(about, resolved)
    if aim.back and aim.former:
        _require(target, aim.former)
    whole = fetching.present(host, target, aim.models.values())
    withheld = gated.withheld(aim.models, whole, fetching.token(host, resolved))
    kept = {name: r for name, r in aim.models.items() if not (name in withheld and r["spare"])}
    aim = replace(aim, models=kept)
    wanted = Wanted(
        tree,
        {path: digest(file.content(resolved)) for path, file in tree.items()},
        records.digests(tree, resolved, record["salt"]),
        [(part.path, components.title(target, part)) for part in aim.components.values()]
        + [(image, f"image {image}") for image in aim.images],
        list(aim.models),
        aim.units,
        _containers(aim),
    )
    with _asking_docker(host):
        there = images.present(target, aim.images)
        containers = images.containers(target) if host.runtime == "compose" else {}
    built = components.complete(target, aim.components.values())
    units = {name: target.supervisor.release(name) for name in wanted.units if target.supervisor.running(name)}
    if "autostart" in units and host.autostart.environment(host.layout.opt) in aim.components.keys() - built:
        units["autostart"] = ""  # what it was started from is about to go
    matter = {path: entry for path, entry in record["files"].items() if aim.concerns(path)}
    files = _files(target, tree, {**record, "files": matter}, resolved)
    keys = files.pop(host.layout.htpasswd, None)
    have = Survey(
        files,
        built | there,
        whole,
        units,
        issuing.reason(host, target) or (acme.reason(host, target) if host.tls.mode == "letsencrypt" else ""),
        # certbot's hook reloads nginx itself.
        host.tls.mode != "letsencrypt" and issuing.served_digest(target, host.layout) != record.get("certificate"),
        containers,
        users.unread(keys.group, host.layout.www, host.layout) if keys else "",
    )
    # What an apply that was cut off was about to write owes its effects, whatever the file is now.
    before = {p: e["digest"] for p, e in matter.items()} | dict.fromkeys(record["pending"], "")
    left = Record(before, record["kit"], record["release"])
    made = plan.make(wanted, have, left)
    return Prospect(
        host, target, aim.tree, resolved, record, made, aim.models, aim.components, aim.images, aim, withheld
    )


def _services(tree: Tree, host: HostStack) -> dict[str, dict[str, Any]]:
    entries = json.loads(tree[autostart.path(host)].text)["services"]
    return {entry["name"]: {**entry, "hostname": hostname} for hostname, entry in entries.items()}


def _containers(aim: Aim) -> dict[str, str]:
    """Container -> service, of those that an aim is about."""
    if aim.host.runtime == "process":
        return {}
    found = _services(aim.tree, aim.host)
    return {container: name for name in found if aim.about(name) for container in found[name]["containers"]}


def no_docker(host: str, said: str) -> KitError:
    """What to tell where Docker gives no answer."""
    hint = f"`systemctl status docker` there says why; `setup {host}` installs it where it is missing."
    return KitError(f"Docker does not answer on {host}.", hint, output=said, code=HOST)


@contextmanager
def _asking_docker(host: HostStack) -> Iterator[None]:
    try:
        yield
    except Lost:
        raise
    except KitError as error:
        raise no_docker(host.name, error.output or error.message) from None


def _require(target: Target, former: Release) -> None:
    """What a former release ran must still be on the host. Raises KitError."""
    gone = set(former.components) - target.existing(former.components)
    gone |= set(former.images) - images.present(target, former.images)
    if gone:
        raise KitError(
            f"Release {former.number} ran {', '.join(sorted(gone))}, which is not on the host any more.",
            "Deploy with the kit and the inventory of that time instead.",
            code=INVENTORY,
        )


def _files(
    target: Target, tree: Tree, record: Mapping[str, Any], resolved: Mapping[Reference, Secret]
) -> dict[str, Have]:
    paths = sorted({*tree, *record["files"], *record["pending"], target.layout.htpasswd})
    found = {}
    for path, state in target.states(paths, list(tree), record["salt"]).items():
        text, keys = state.text, tuple[str, ...]()
        # An .env that shall have no secret any more may still hold one.
        if path in tree and (tree[path].references or path.endswith("/.env")):
            text, keys = None, env.changed(text or "", tree[path].content(resolved))
        found[path] = Have(
            state.digest, state.mode, state.owner, state.group, text, records.ours(path, state, record), keys
        )
    return found
