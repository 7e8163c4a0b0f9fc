"""Plan -> host. Nothing goes live before nginx -t passes, and the record is written last."""

import contextlib
import datetime as dt
import getpass
import json
import socket
from collections.abc import Sequence

from deploy import VERSION
from deploy.errors import HOST, KitError
from deploy.operations import (
    acme,
    certificates,
    components,
    control,
    images,
    models,
    releases,
    survey,
    users,
    verify,
    workspace,
)
from deploy.operations.releases import Release
from deploy.operations.report import Reporter
from deploy.operations.survey import Prospect
from deploy.operations.workspace import Workspace
from deploy.plan import Plan
from deploy.render import env
from deploy.stack import HostStack
from deploy.targets import Target, Writing
from deploy.types import Reference


def rollback(space: Workspace, host: HostStack, number: int | None, report: Reporter) -> Plan:
    """Bring a host back to a kept release, by default to the one before the last. Raises KitError."""
    target = space.target(host)
    kept = releases.numbers(target)
    if number is None and len(kept) < 2:
        raise KitError("There is no release before this one to go back to.", code=HOST)
    return deploy(space, host, report, releases.load(target, kept[-2] if number is None else number))


def deploy(space: Workspace, host: HostStack, report: Reporter, former: Release | None = None) -> Plan:
    """Bring a host to what the inventory (or a former release) says. Returns what was done. Raises KitError."""
    prospect = survey.look(space, host, former)
    if prospect.plan.empty:
        return prospect.plan
    with prospect.target.lock("deploy"):
        # Somebody else's deploy may have ended between the first look and the lock.
        prospect = survey.look(space, host, former)
        _fetch(space, prospect, report)
        _build(prospect, report)
        _write(prospect, report)
        awake = _awake(prospect)
        _run(prospect, report)
        _certify(prospect, report)
        _prove(prospect, awake, report)
        _record(prospect)
    return prospect.plan


def _fetch(space: Workspace, prospect: Prospect, report: Reporter) -> None:
    wanted = [prospect.models[name] for name in prospect.plan.models]
    token = None
    for service in prospect.host.services:
        named = dict(service.secrets)
        reference: Reference | None = named.get("HF_TOKEN") or named.get("HUGGINGFACE_TOKEN")
        if reference:
            token = prospect.secrets[reference].reveal()
    if wanted:
        models.fetch(prospect.host, prospect.target, wanted, token, space.path, report)


def _build(prospect: Prospect, report: Reporter) -> None:
    for path in prospect.plan.images:
        component = prospect.components.get(path)
        if component:
            with report.step(f"Building {component.label}") as bar:
                components.build(prospect.target, prospect.host.layout, component, bar)
        else:
            with report.step(f"Building the image of {prospect.images[path].kind.name}") as bar:
                images.build(prospect.target, prospect.images[path], bar)


def _write(prospect: Prospect, report: Reporter) -> None:
    """Certificates and files; if nginx refuses the result, what was there before is put back."""
    host, target, tree = prospect.host, prospect.target, prospect.tree
    if prospect.plan.certificate and certificates.reason(host, target):
        certificates.install(host, target, prospect.secrets)
    users.ensure(target, host.layout)
    layout = host.layout
    target.folders([f"{layout.var}/acme", f"{layout.var}/nginx", layout.run, layout.log])
    before = _kept(target, (*prospect.plan.write, *prospect.plan.remove))
    wanted = ((path, tree[path]) for path in prospect.plan.write)
    target.write_all([Writing(p, f.content(prospect.secrets).encode(), f.mode, f.owner, f.group) for p, f in wanted])
    target.remove(*prospect.plan.remove, below=layout.etc)
    try:
        target.supervisor.check()
    except KitError as error:
        target.remove(*(path for path in prospect.plan.write if path not in before))
        target.write_all(list(before.values()))
        raise KitError(
            "nginx refuses the new configuration; the former one is back, and nothing was reloaded.",
            output=error.output,
            code=HOST,
        ) from None


def _kept(target: Target, paths: Sequence[str]) -> dict[str, Writing]:
    """Files as they are now, to be put back."""
    kept = {}
    for path, state in target.states(paths).items():
        content = target.read(path)
        if content is not None:
            kept[path] = Writing(path, content, state.mode, state.owner, state.group)
    return kept


def _run(prospect: Prospect, report: Reporter) -> None:
    host, target, supervisor = prospect.host, prospect.target, prospect.target.supervisor
    changed = {effect.what for effect in prospect.plan.effects if effect.verb == "restart"}
    known = control.states(host, target)
    for service in host.services:
        if service.name not in changed:
            continue
        if service.name in known:
            with report.step(f"Holding new requests to {service.name} while it finishes those it has"):
                control.ask(host, target, "hold", service.name)
        if host.runtime == "compose":
            with report.step(f"Making the container of {service.name}"):
                images.create(target, host, service)
    for unit in prospect.plan.start:
        with report.step(f"Starting {unit}"):
            supervisor.stop(unit)
            supervisor.start(unit)
    for effect in prospect.plan.effects:
        if effect.verb == "reload" and effect.what not in prospect.plan.start:
            with report.step(f"Reloading {effect.what}"):
                supervisor.reload(effect.what)
    for name, entry in control.states(host, target).items():
        if name in changed and entry["state"] == "paused":
            control.ask(host, target, "release", name)


def _certify(prospect: Prospect, report: Reporter) -> None:
    """Ask Let's Encrypt, now that the challenge can be answered. Not getting one ends no deploy."""
    host, target = prospect.host, prospect.target
    if host.tls.mode != "letsencrypt" or not acme.reason(host, target):
        return
    try:
        with report.step("Asking for a certificate"):
            acme.obtain(host, target)
    except KitError as error:
        report.warn("\n".join(part for part in (error.output, error.message, error.hint) if part))


def _awake(prospect: Prospect) -> frozenset[str]:
    """Services that are awake, or nearly; none where autostart does not answer and is about to be started anew."""
    try:
        states = control.states(prospect.host, prospect.target)
    except KitError:
        return frozenset()
    return frozenset(name for name, entry in states.items() if entry["state"] in ("starting", "ready"))


def _prove(prospect: Prospect, awake: frozenset[str], report: Reporter) -> None:
    """Start each changed service once, ask it something, and let it sleep again if it slept before."""
    host, target = prospect.host, prospect.target
    proven = dict(prospect.record.get("proven", {}))
    secret = survey.recorded(prospect.tree, prospect.secrets, prospect.record["salt"])
    for service in host.services:
        release = verify.release_of(prospect.tree, host, service) + secret[env.path(host, service)]
        if proven.get(service.name) == release:
            continue
        with report.step(f"Proving {service.name}"):
            control.wake(host, target, service.name)
            verify.answers(host, target, service)
            if service.name not in awake:
                with contextlib.suppress(KitError):  # somebody has begun to use it: it sleeps when they are done
                    control.sleep(host, target, service.name)
        proven[service.name] = release
    prospect.record["proven"] = {s.name: proven[s.name] for s in host.services}
    with report.step("Checking the way in"):
        verify.guarded(host, target)


def _record(prospect: Prospect) -> None:
    host, target = prospect.host, prospect.target
    salt = prospect.record["salt"]
    digests = survey.recorded(prospect.tree, prospect.secrets, salt)
    record = {
        "kit": VERSION,
        "release": prospect.record["release"] + 1,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "by": f"{getpass.getuser()}@{socket.gethostname()}",
        "files": {
            path: {"digest": value, "salted": bool(prospect.tree[path].references)} for path, value in digests.items()
        },
        "salt": salt,
        "certificate": survey.certificate_digest(target, host),
        "proven": prospect.record["proven"],
    }
    layout = host.layout
    content = (json.dumps(record, indent=1) + "\n").encode()
    what = [str(step) for step in prospect.plan.steps]
    releases.save(
        target,
        Release(
            record["release"],
            prospect.tree,
            tuple(prospect.images),
            tuple(prospect.components),
            tuple(prospect.models),
            workspace.releases(host),
        ),
        {"release": record["release"], "at": record["at"], "by": record["by"], "kit": VERSION, "steps": what},
    )
    target.write(layout.record, content, 0o600, layout.root, layout.root_group)
