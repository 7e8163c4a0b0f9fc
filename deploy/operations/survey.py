"""One look at a host: what is wanted there, what there is, and the plan between."""

import json
import secrets as tokens
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from deploy import VERSION, naming, plan
from deploy.connection import Lost
from deploy.errors import HOST, INVENTORY, KitError
from deploy.operations import acme, certificates, components, control, gates, images, models, secrets, users
from deploy.operations.aims import Aim, Aiming
from deploy.operations.releases import Release
from deploy.operations.workspace import Workspace
from deploy.plan import Have, Plan, Record, Survey, Wanted
from deploy.render import autostart, env
from deploy.stack import HostStack, ServiceStack, Stack
from deploy.targets import FileState, Target
from deploy.types import Reference, Secret, Tree, digest


@dataclass(frozen=True)
class Prospect:
    """Everything an apply needs, looked at once."""

    host: HostStack
    target: Target
    tree: Tree
    secrets: Mapping[Reference, Secret]
    record: dict[str, Any]
    plan: Plan
    models: Mapping[str, models.Request]
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
            known = known or max((naming.size(s.own.models, name) for s in self.aim.services if s.own), default=0)
            found[f"model {name}"] = known
        for image, service in self.images.items():
            if service.own and service.image_from != "registry":
                found[f"image {image}"] = service.own.disk
        return {what: size for what, size in found.items() if size}

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
    record = read_record(target, host)
    aim = aiming(host, record, control.seconds(host, target, record) if second is None else second)
    host = aim.host
    about = Stack((replace(host, services=aim.services),))
    tree = {path: file for path, file in aim.tree.items() if aim.concerns(path)}
    references = {*about.references, *(r for file in tree.values() for r in file.references)}
    resolved = dict(known or {})
    resolved |= secrets.resolve(references - resolved.keys(), space.path.resolve().parent)
    secrets.check_writable(about, resolved)
    if aim.back and aim.former:
        _require(target, aim.former)
    whole = models.present(host, target, aim.models.values())
    withheld = gates.withheld(aim.models, whole, models.token(host, resolved))
    kept = {name: r for name, r in aim.models.items() if not (name in withheld and r["spare"])}
    aim = replace(aim, models=kept)
    wanted = Wanted(
        tree,
        {path: digest(file.content(resolved)) for path, file in tree.items()},
        recorded(tree, resolved, record["salt"]),
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
        certificates.reason(host, target) or (acme.reason(host, target) if host.tls.mode == "letsencrypt" else ""),
        # certbot's hook reloads nginx itself.
        host.tls.mode != "letsencrypt" and certificate_digest(target, host) != record.get("certificate"),
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


def certificate_digest(target: Target, host: HostStack) -> str:
    pem = target.read(certificates.chain_path(host.layout))
    return digest(pem) if pem else ""


def recorded(tree: Tree, resolved: Mapping[Reference, Secret], salt: str) -> dict[str, str]:
    """Digests for the record: salted where a file has secrets, so that none can be guessed from it."""
    return {path: digest((salt if file.references else "") + file.content(resolved)) for path, file in tree.items()}


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
        found[path] = Have(state.digest, state.mode, state.owner, state.group, text, ours(path, state, record), keys)
    return found


def ours(path: str, state: FileState, record: Mapping[str, Any]) -> bool:
    """Whether a file's content is what an apply wrote or was about to write, or nobody has recorded any."""
    known = [entries[path] for entries in (record["files"], record["pending"]) if path in entries]
    return not known or any((state.salted if e["salted"] else state.digest) == e["digest"] for e in known)


def read_record(target: Target, host: HostStack) -> dict[str, Any]:
    """What the last apply left. An older kit than the one that wrote it is refused."""
    return record_of(host, target.read(host.layout.record))


def record_of(host: HostStack, raw: bytes | str | None) -> dict[str, Any]:
    """The record, out of its file."""
    later: dict[str, Any] = {"pending": {}, "second": [], "salt": tokens.token_hex(16)}
    blank: dict[str, Any] = {"kit": VERSION, "release": 0, "files": {}, **later}
    if raw is None:
        return blank
    try:
        record = {**later, **json.loads(raw)}
        newer = _version(record["kit"]) > _version(VERSION)
        if any(type(record[key]) is not type(value) for key, value in blank.items()):
            raise TypeError
    except (ValueError, LookupError, AttributeError, TypeError):
        raise KitError(
            f"{host.layout.record} is damaged.", "Remove it: the next deploy compares every file anew."
        ) from None
    if newer:
        raise KitError(
            f"{host.name} was deployed by Greffier {record['kit']}; this is {VERSION}.",
            "Update Greffier on this machine.",
            code=INVENTORY,
        )
    return record


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
