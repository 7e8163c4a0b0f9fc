"""Plan -> host. Nothing goes live before nginx -t passes, and the record is written last."""

import contextlib
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploy import VERSION
from deploy.adoption import adopt
from deploy.certificates import acme, issuing
from deploy.config.stack import HostStack
from deploy.errors import HOST, KitError
from deploy.models import fetching, gated
from deploy.render import env
from deploy.render.manifest import images as images_of
from deploy.reporting import Reporter
from deploy.rollout import announce, preflight, second_slot, target_state, verify
from deploy.rollout import prospect as prospects
from deploy.rollout.prospect import Prospect
from deploy.rollout.second_slot import States
from deploy.rollout.target_state import Aiming
from deploy.runtime import components, control, images
from deploy.state import records, releases, users
from deploy.state.plan import Plan
from deploy.state.releases import Release
from deploy.transport import asking
from deploy.transport.connection import Lost
from deploy.transport.targets import Target, Writing, operator
from deploy.types import File, Reference, Secret
from deploy.workspace import Workspace

Consent = Callable[[HostStack, Sequence[str]], None]
"""Asked before files that somebody changed on the host are overwritten; raises KitError where they shall stay."""


@dataclass(frozen=True)
class Return:
    """What a rollback did: from release `before` to what release `back` was, which is release `number` now."""

    plan: Plan
    before: int
    back: int
    number: int


def rollback(space: Workspace, host: HostStack, number: int | None, report: Reporter, consent: Consent) -> Return:
    """Bring a host back to a kept release, by default to the one before the last. Raises KitError."""
    target = space.target(host)
    before = records.read(target, host)["release"]
    kept = target.answer(releases.numbers(host.layout))
    if number is None and len(kept) < 2:
        raise KitError("There is no earlier release to roll back to.", code=HOST)
    former = target.answer(releases.load(host.layout, kept[-2] if number is None else number))
    plan = deploy(space, host, report, consent, target_state.back(space, former))
    return Return(plan, before, former.number, records.read(target, host)["release"])


def deploy(space: Workspace, host: HostStack, report: Reporter, consent: Consent, aiming: Aiming) -> Plan:
    """Bring a host to an aim. Returns what was done. Raises KitError; where the new release does not serve, the one
    before does again."""
    prospect = prospects.look(space, host, aiming)
    for name, sentence in prospect.withheld.items():
        if name not in prospect.models:
            report.warn(f"{sentence} {gated.WITHOUT}")
    if prospect.plan.empty:
        return prospect.plan
    if host.runtime == "compose" and not prospect.record["release"] and not prospect.record["pending"]:
        adopt.refuse(host, prospect.target)
    with prospect.target.lock("deploy"):
        if prospect.target.read(host.layout.record) != prospect.sight.ground.record:
            # Somebody else's deploy has ended between the look and the lock.
            prospect = prospects.look(space, host, aiming)
        preflight.check(prospect)
        if prospect.plan.drifted:
            consent(host, prospect.plan.drifted)
        _fetch(space, prospect, report)
        _build(prospect, report)
        states = _states(prospect)
        second = frozenset() if prospect.aim.back else second_slot.possible(prospect, prospect.changed, states, report)
        if second:
            prospect = prospects.moved(space, prospect, second)
        _roll(space, prospect, states, report)
        _record(prospect)
        if host.runtime == "compose":
            second_slot.clear(prospect, report)
        return replace(prospect.plan, untrusted=_untrusted(prospect))


def restart(space: Workspace, host: HostStack, service: str, report: Reporter) -> None:
    """Run a service anew as it was deployed: beside itself where it is awake, there is room for two of it and the
    inventory says nothing new of it; else requests wait meanwhile. Raises KitError."""
    target = space.target(host)
    with target.lock("restart"):
        if not _restart_beside(space, host, service, report):
            with report.step(f"Restarting {service}"):
                control.restart(host, target, service)


def _restart_beside(space: Workspace, host: HostStack, service: str, report: Reporter) -> bool:
    """Whether it could be done so."""
    if host.runtime != "compose":
        return False
    try:
        aiming = target_state.alone(space, service)
        prospect = prospects.look(space, host, aiming)
    except Lost:
        raise
    except KitError:  # what a deploy would ask for, this does not need
        return False
    states = _states(prospect)
    if not prospect.plan.empty or not second_slot.possible(prospect, {service}, states, report):
        return False
    prospect = prospects.moved(space, prospect, {service})
    _roll(space, prospect, states, report)
    _record(prospect, anew=False)
    second_slot.clear(prospect, report)
    return True


def prepare(space: Workspace, host: HostStack, report: Reporter) -> None:
    """Do what of a deploy takes long and changes nothing that serves: models and images. Raises KitError."""
    target = space.target(host)
    with target.lock("setup --adopt"):
        prospect = prospects.look(space, host, target_state.whole(space))
        preflight.check(prospect)
        _fetch(space, prospect, report)
        _build(prospect, report)


def _roll(space: Workspace, prospect: Prospect, states: States, report: Reporter) -> None:
    """Put the new release in the place of the one that serves, or see to it that the latter serves again."""
    awake = frozenset(name for name, entry in states.items() if control.is_awake(entry))
    early = second_slot.names(prospect, states)
    before = _write(prospect, early, states, report)
    try:
        _serve(prospect, early, awake, report)
    except Lost:
        raise
    except KitError as error:
        raise _retreat(space, prospect, before, awake, error, report) from None


def _serve(prospect: Prospect, early: frozenset[str], awake: frozenset[str], report: Reporter) -> None:
    _run(prospect, early, report)
    _certify(prospect, report)
    _prove(prospect, awake, report)


def _retreat(
    space: Workspace,
    prospect: Prospect,
    before: Mapping[str, Writing],
    awake: frozenset[str],
    failure: KitError,
    report: Reporter,
) -> KitError:
    """Bring back the release before, with the secrets it had. Returns what to tell."""
    host, target, number = prospect.host, prospect.target, prospect.record["release"]
    if not number:
        return adopt.way_back(host, target, failure)
    report.warn(f"{failure.message} Rolling back to release {number}.")
    announce.about(host, target, f"A deploy by {operator()} was rolled back: {failure.message}")
    try:
        former = target.answer(releases.load(host.layout, number))
        known: dict[Reference, Secret] = {}
        for path, file in former.tree.items():
            if file.references and path in before:
                known |= env.recovered(file, before[path].content.decode(errors="replace"))
        aim = prospect.aim.instead(former)
        back = prospects.look(space, host, lambda *_: asking.known(aim), known)
        now = _states(back)
        early = second_slot.names(back, now)
        _write(back, early, now, report)
        _serve(back, early, awake, report)
        records.settle(target, _seconds(back))
        did = f"{prospect.aim.verb}, rolled back: {failure.message}"
        releases.note(target, _entry(prospect, number, did))
        second_slot.clear(back, report)
    except Lost as lost:
        return lost
    except KitError as error:
        message = f"{failure.message} Rolling back to release {number} failed too: {error.message}"
        announce.about(host, target, message)
        return KitError(message, error.hint, output=failure.output + error.output)
    return KitError(failure.message, f"Release {number} serves again. {failure.hint}".strip(), output=failure.output)


def _fetch(space: Workspace, prospect: Prospect, report: Reporter) -> None:
    wanted = [prospect.models[name] for name in prospect.plan.models]
    if wanted:
        token = fetching.token(prospect.host, prospect.secrets)
        fetching.fetch(prospect.host, prospect.target, wanted, token, space.path, report)


def _build(prospect: Prospect, report: Reporter) -> None:
    for path in prospect.plan.images:
        component = prospect.components.get(path)
        if component:
            with report.step(f"Building {component.label}") as bar:
                components.build(prospect.target, prospect.host.layout, component, bar)
        else:
            service = prospect.images[path]
            if service.image_from == "registry":
                records.take(prospect.target, prospect.record, service.image)
            with report.step(images.title(service)) as bar:
                images.provide(prospect.target, service, bar)


def _write(prospect: Prospect, early: frozenset[str], states: States, report: Reporter) -> dict[str, Writing]:
    """Certificates and files, and what starts `early`, beside what serves; if that does not start, or nginx refuses the
    result, what was there before is put back. Returns that."""
    host, target, tree = prospect.host, prospect.target, prospect.tree
    if prospect.plan.certificate and target.answer(issuing.reason(host)):
        issuing.install(host, target, prospect.secrets)
    users.ensure(target, host.layout)
    layout = host.layout
    target.folders([f"{layout.var}/acme", f"{layout.var}/nginx", layout.run, layout.log])
    before = _kept(target, (*prospect.plan.write, *prospect.plan.remove))
    target.write_all([replace(before[path], path=f"{path}.bak") for path in prospect.plan.drifted])
    entries = prospect.entries
    records.intend(target, prospect.record, {path: entries[path] for path in prospect.plan.write})
    wanted = {path: tree[path] for path in prospect.plan.write}
    folders = tuple(f"{prospect.services[name].folder}/" for name in early)
    try:
        _put(target, prospect, {path: file for path, file in wanted.items() if path.startswith(folders)})
        for name in sorted(early):
            second_slot.start(prospect, name, states, report)
        # From here on autostart would start what is new, if it had to begin anew.
        with report.step("Writing the configuration"):
            _put(target, prospect, {path: file for path, file in wanted.items() if not path.startswith(folders)})
            target.remove(*prospect.plan.remove, below=layout.etc)
            _check(target)
    except Lost:
        raise
    except KitError as error:
        target.remove(*(path for path in prospect.plan.write if path not in before), below=layout.etc)
        target.write_all(list(before.values()))
        for name in early:
            second_slot.withdraw(prospect, name, states)
        records.put_back(target, prospect.record)
        number = prospect.record["release"]
        still = f"Release {number} keeps serving; nothing was changed." if number else error.hint
        raise KitError(error.message, still, output=error.output, code=HOST) from None
    for name in early:
        second_slot.keep(prospect, name)
    return before


def _put(target: Target, prospect: Prospect, files: Mapping[str, File]) -> None:
    secrets = prospect.secrets
    target.write_all([Writing(p, f.content(secrets).encode(), f.mode, f.owner, f.group) for p, f in files.items()])


def _check(target: Target) -> None:
    try:
        target.supervisor.check()
    except KitError as error:
        raise KitError("nginx rejects the new configuration.", output=error.output, code=HOST) from None


def _kept(target: Target, paths: Sequence[str]) -> dict[str, Writing]:
    """Files as they are now, to be put back."""
    kept = {}
    for path, state in target.states(paths).items():
        content = target.read(path)
        if content is not None:
            kept[path] = Writing(path, content, state.mode, state.owner, state.group)
    return kept


def _run(prospect: Prospect, early: frozenset[str], report: Reporter) -> None:
    host, target, supervisor = prospect.host, prospect.target, prospect.target.supervisor
    changed = prospect.changed - early
    known = control.states(host, target)
    gone = {name: entry for name, entry in known.items() if name not in prospect.services}
    for name in known:
        if name in changed or name in gone:
            with report.step(f"Draining {name}; queueing new requests"):
                control.hold(host, target, name)
    for name, service in prospect.services.items():
        if name in changed and host.runtime == "compose":
            with report.step(f"Creating the container of {name}"):
                images.create(target, service.folder)
    anew = [e.what for e in prospect.plan.effects if e.verb == "restart" and e.what not in prospect.services]
    for unit in (*prospect.plan.start, *anew):
        with report.step(f"Starting {unit}"):
            supervisor.start(unit)
    for effect in prospect.plan.effects:
        if effect.verb == "reload" and effect.what not in (*prospect.plan.start, *anew):
            with report.step(f"Reloading {effect.what}"):
                supervisor.reload(effect.what)
    for name, entry in control.states(host, target).items():
        if name in changed and entry["state"] == "paused":
            control.release(host, target, name)
    if host.runtime == "compose":
        images.remove(target, (container for entry in gone.values() for container in entry["containers"]))


def _certify(prospect: Prospect, report: Reporter) -> None:
    """Ask Let's Encrypt, now that the challenge can be answered, for the names that point here. Not getting one ends no
    deploy."""
    host, target = prospect.host, prospect.target
    if host.tls.mode != "letsencrypt" or not target.answer(acme.reason(host)):
        return
    left_out: dict[str, str] = {}
    try:
        with report.step("Checking DNS"):
            request = acme.request(host, target)
        left_out |= request.left_out
        if request.names:
            with report.step("Requesting a certificate"):
                left_out |= acme.obtain(host, target, request.names)
    except Lost:
        raise
    except KitError as error:
        report.warn("\n".join(part for part in (error.output, error.message, error.hint) if part))
    if left_out:
        report.warn(acme.unissued({name: left_out[name] for name in host.names if name in left_out}))


def _untrusted(prospect: Prospect) -> tuple[str, ...]:
    """Names that clients do not trust yet: Let's Encrypt has issued no certificate for them."""
    host, target = prospect.host, prospect.target
    if host.tls.mode != "letsencrypt":
        return ()
    there = target.answer(acme.issued())
    return tuple(name for name in host.names if there is None or name not in there.names)


def _states(prospect: Prospect) -> States:
    """What autostart says; nothing where it does not answer and is about to be started anew."""
    try:
        return control.states(prospect.host, prospect.target)
    except Lost:
        raise
    except KitError:
        return {}


def _prove(prospect: Prospect, awake: frozenset[str], report: Reporter) -> None:
    """Start each changed service once, ask it something, and let it sleep again if it slept before."""
    host, target = prospect.host, prospect.target
    proven = dict(prospect.record.get("proven", {}))
    entries = prospect.entries
    for name, service in prospect.concerned.items():
        release = service.release + entries[service.environment_file]["digest"] + service.ready_path
        if proven.get(name) == release and name not in prospect.changed:
            continue
        with report.step(f"Verifying {name}"):
            control.wake(host, target, name)
            verify.answers(host, target, service)
            if name not in awake:
                with contextlib.suppress(KitError):  # somebody has begun to use it: it sleeps when they are done
                    control.sleep(host, target, name)
        proven[name] = release
    prospect.record["proven"] = {name: proven[name] for name in prospect.services if name in proven}
    with report.step("Checking HTTPS and authentication"):
        verify.guarded(host, target)
        verify.heard(host, target, prospect.services)
    for sentence in verify.open_ways(host, target):
        report.warn(sentence)


def _seconds(prospect: Prospect) -> dict[str, Any]:
    """The record, with which services serve from their second container."""
    second = [name for name, service in prospect.services.items() if control.is_second(service.entry)]
    return prospect.record | {"second": second}


def _record(prospect: Prospect, *, anew: bool = True) -> None:
    """`anew`: as a release of its own; else the present one has only moved."""
    host, target, present = prospect.host, prospect.target, prospect.record["release"]
    # After a restore the record begins anew, and the releases go on.
    number = max(present, *target.answer(releases.numbers(host.layout)), 0) + 1 if anew else present
    aim = prospect.aim
    entry = _entry(prospect, number, aim.verb)
    kept = (aim.former.components, aim.former.models) if aim.former else ((), ())
    release = Release(
        number,
        prospect.tree,
        prospect.services,
        images_of(prospect.services),
        tuple(dict.fromkeys((*kept[0], *aim.components))),
        tuple(dict.fromkeys((*kept[1], *aim.models))),
        aim.units,
        aim.inventory,
    )
    releases.save(target, release, entry if anew else None)
    changes: dict[str, Any] = {}
    if anew:
        changes = {key: entry[key] for key in ("kit", "release", "at", "by")}
        changes["certificate"] = target.answer(issuing.served_digest(host.layout))
    records.settle(target, _seconds(prospect) | changes | {"files": prospect.entries})


def _entry(prospect: Prospect, number: int, did: str) -> dict[str, Any]:
    """What the book says of a deploy: `number` is the release that serves after it."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    steps = [str(step) for step in prospect.plan.steps]
    return {"release": number, "at": at, "by": operator(), "kit": VERSION, "did": did, "steps": steps}
