"""Tree + survey + record -> Plan: what to create, change, remove, restart, and why. Pure."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deploy import render
from deploy.config.stack import HostStack
from deploy.render import autostart
from deploy.render.manifest import Manifest
from deploy.types import Effect, Tree

Verb = Literal["create", "change", "remove", "reload", "restart"]
SIGNS: Mapping[Verb, str] = {"create": "+", "change": "~", "remove": "-", "reload": ">", "restart": ">"}
BY_HAND = "; it was changed on the host since the last deploy"


@dataclass(frozen=True)
class Have:
    """A file as the survey found it. `text` is None where it may hold secrets."""

    digest: str
    mode: int
    owner: str
    group: str
    text: str | None
    ours: bool = True
    """Its content is what an apply wrote, or nobody has recorded any."""
    keys: tuple[str, ...] = ()
    """Of a file with secrets: the settings whose values are others than wanted."""


@dataclass(frozen=True)
class Survey:
    """What there is: one look at the host."""

    files: Mapping[str, Have]
    images: frozenset[str]
    """Code and environments that are complete."""
    models: frozenset[str]
    """Models that are complete and right."""
    units: Mapping[str, str]
    """Release that each running unit was started from; a unit that is not there does not run."""
    certificate: str
    """Why a certificate must be issued; empty where the one there will do."""
    unread: bool
    """A certificate was put in place, and nginx may not have read it."""
    containers: Mapping[str, str]
    """Container -> service, of those that are ours, running or not."""
    users: str = ""
    """Why nginx could not read who its users are; empty where it can."""


@dataclass(frozen=True)
class Wanted:
    """What there shall be."""

    tree: Tree
    digests: Mapping[str, str]
    """SHA-256 of each file with its secrets filled in."""
    recorded: Mapping[str, str]
    """The same as the record keeps it: salted where the file has secrets."""
    images: Sequence[tuple[str, str]]
    """(path, what it is), in the order they are built."""
    models: Sequence[str]
    units: Mapping[str, str]
    containers: Mapping[str, str]
    """Container -> service."""


@dataclass(frozen=True)
class Record:
    """What the last complete apply left: digest of each file, by path."""

    files: Mapping[str, str]
    kit: str
    release: int


@dataclass(frozen=True)
class Step:
    """One line of a plan."""

    verb: Verb
    what: str
    why: str
    diff: str = ""

    def __str__(self) -> str:
        return f"{SIGNS[self.verb]} {self.verb} {self.what}: {self.why}"


@dataclass(frozen=True)
class Plan:
    """What an apply will do, in this order."""

    models: tuple[str, ...]
    images: tuple[str, ...]
    certificate: str
    write: tuple[str, ...]
    remove: tuple[str, ...]
    effects: tuple[Effect, ...]
    start: tuple[str, ...]
    orphans: tuple[str, ...]
    """Containers of services that are wanted, but not these any more: a release before left them."""
    drifted: tuple[str, ...]
    """Of `write` and `remove`: what somebody changed on the host."""
    steps: tuple[Step, ...]
    untrusted: tuple[str, ...] = ()
    """Of what was done: names that no certificate was issued for."""

    @property
    def empty(self) -> bool:
        return not self.steps


def make(wanted: Wanted, have: Survey, record: Record) -> Plan:
    """Compare. Effects are due for what differs from the record too: an apply that was cut off still owes them."""
    steps: list[Step] = []
    models = tuple(m for m in wanted.models if m not in have.models)
    steps += [Step("create", f"model {m}", "missing or incomplete") for m in models]
    images = tuple(path for path, _ in wanted.images if path not in have.images)
    steps += [Step("create", label, "not on the host yet") for path, label in wanted.images if path not in have.images]
    if have.certificate:
        steps.append(Step("create", "certificate", have.certificate))
    if have.users:
        steps.append(Step("change", "htpasswd", have.users))
    write, effects = [], dict[Effect, str]()
    for path, file in wanted.tree.items():
        step = _file_step(path, wanted, have)
        if step:
            steps.append(step)
            write.append(path)
        if step or record.files.get(path) != wanted.recorded[path]:
            effects |= {e: f"{path.rsplit('/', 1)[1]} changed" for e in file.on_change if e not in effects}
    unwanted = sorted(p for p in record.files if p not in wanted.tree)
    gone = tuple(p for p in unwanted if p in have.files)
    drifted = tuple(p for p in (*write, *gone) if p in have.files and not have.files[p].ours)
    steps += [Step("remove", p, "no longer needed" + BY_HAND * (p in drifted)) for p in gone]
    if any("/nginx/" in path for path in unwanted):
        effects.setdefault(Effect("reload", "nginx"), "a file was removed")
    if any(path.endswith("/greffier-notify.timer") for path in unwanted):
        effects.setdefault(Effect("reload", "notify"), "notifications were turned off")
    start = tuple(u for u, release in wanted.units.items() if have.units.get(u) != release)
    steps += [Step("restart", unit, "its code changed" if unit in have.units else "not running") for unit in start]
    for container in wanted.containers.keys() - have.containers.keys():
        effects.setdefault(Effect("restart", wanted.containers[container]), "its container is missing")
    kept = wanted.containers.values()
    orphans = tuple(sorted(c for c, s in have.containers.items() if c not in wanted.containers and s in kept))
    steps += [Step("remove", f"container {container}", "left by an earlier release") for container in orphans]
    if have.certificate or have.unread:
        effects.setdefault(Effect("reload", "nginx"), "the certificate changed")
    restarted = {e.what for e in effects if e.verb == "restart"}
    due = tuple(e for e in sorted(effects, key=str) if e.what not in start)
    steps += [Step(e.verb, e.what, effects[e]) for e in due]
    steps += [Step("restart", name, "its settings changed") for name in _anew(wanted, have) if name not in restarted]
    return Plan(models, images, have.certificate, tuple(write), gone, due, start, orphans, drifted, tuple(steps))


@dataclass(frozen=True)
class Share:
    """What a host shall be with one service deployed and the rest left alone."""

    tree: Tree
    scope: frozenset[str]
    """Paths that this may change: of the others, neither what is owed nor what was changed by hand is touched."""


def alone(wanted: Tree, former: Tree, mixed: Manifest, host: HostStack, service: str) -> Share:
    """Of `wanted`, rendered with the other services as they were deployed, what `service` needs; of `former`, the
    tree that was deployed, everything else. Where there was none, all of it is needed. `mixed` has this service as it
    is wanted and the others as they were deployed."""
    if not former:
        return Share(wanted, frozenset(wanted))
    tree = {}
    for path in {*wanted, *former}:
        of = render.owner(host, path)
        source = former if of and of != service else wanted
        if path in source:
            tree[path] = source[path]
    tree[autostart.path(host)] = autostart.config(host, mixed)
    changed = {
        path for path in {*tree, *former} if render.owner(host, path) == service or tree.get(path) != former.get(path)
    }
    return Share(dict(sorted(tree.items())), frozenset(changed))


def _anew(wanted: Wanted, have: Survey) -> Iterator[str]:
    """Services that autostart starts anew once it reads its configuration, as those without containers."""
    for path, file in wanted.tree.items():
        there = have.files.get(path)
        if there and there.text and Effect("reload", "autostart") in file.on_change:
            yield from autostart.other_releases(there.text, file.text)


def _file_step(path: str, wanted: Wanted, have: Survey) -> Step | None:
    file, there = wanted.tree[path], have.files.get(path)
    if there is None:
        return Step("create", path, "missing")
    if there.digest != wanted.digests[path]:
        by_hand = "" if there.ours else BY_HAND
        if there.text is None:
            return Step("change", path, (", ".join(there.keys) or "settings or secrets") + " changed" + by_hand)
        return Step("change", path, "content changed" + by_hand, "".join(_diff(there.text, file.text)))
    rights = (there.mode, there.owner, there.group)
    if rights != (file.mode, file.owner, file.group):
        return Step(
            "change",
            path,
            f"{there.mode:04o} {there.owner}:{there.group}, should be {file.mode:04o} {file.owner}:{file.group}",
        )
    return None


def _diff(old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), "on the host", "wanted", n=2)
    return (line if line.endswith("\n") else line + "\n" for line in lines)
