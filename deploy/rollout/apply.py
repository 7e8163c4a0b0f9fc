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
from deploy.rollout import notification, planning, preflight, second_slot, target_state, verify
from deploy.rollout.planning import PlannedRollout
from deploy.rollout.second_slot import States
from deploy.rollout.target_state import TargetStateOf
from deploy.runtime import components, control, images, job_folders
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


def deploy(
    space: Workspace, host: HostStack, report: Reporter, consent: Consent, target_state_of: TargetStateOf
) -> Plan:
    """Bring a host to a target state. Returns what was done. Raises KitError; if the new release does not serve, the
    previous one is back in service by then."""
    rollout = planning.plan_rollout(space, host, target_state_of)
    for name, sentence in rollout.withheld.items():
        if name not in rollout.models:
            report.warn(f"{sentence} {gated.WITHOUT}")
    if rollout.plan.empty:
        return rollout.plan
    if host.runtime == "compose" and not rollout.record["release"] and not rollout.record["pending"]:
        adopt.refuse(host, rollout.target)
    with rollout.target.lock("deploy"):
        if rollout.target.read(host.layout.record) != rollout.inputs.host_survey.record:
            # Somebody else's deploy has ended between the look and the lock.
            rollout = planning.plan_rollout(space, host, target_state_of)
        preflight.check(rollout)
        if rollout.plan.drifted:
            consent(host, rollout.plan.drifted)
        _fetch(space, rollout, report)
        _build(rollout, report)
        states = _states(rollout)
        second = (
            frozenset() if rollout.target_state.back else second_slot.possible(rollout, rollout.changed, states, report)
        )
        if second:
            rollout = planning.in_other_slots(space, rollout, second)
        _roll(space, rollout, states, report)
        _record(rollout)
        second_slot.clear(rollout, report)
        return replace(rollout.plan, untrusted=_untrusted(rollout))


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
        target_state_of = target_state.alone(space, service)
        rollout = planning.plan_rollout(space, host, target_state_of)
    except Lost:
        raise
    except KitError:  # what a deploy would ask for, this does not need
        return False
    states = _states(rollout)
    if not rollout.plan.empty or not second_slot.possible(rollout, {service}, states, report):
        return False
    rollout = planning.in_other_slots(space, rollout, {service})
    _roll(space, rollout, states, report)
    _record(rollout, anew=False)
    second_slot.clear(rollout, report)
    return True


def prepare(space: Workspace, host: HostStack, report: Reporter) -> None:
    """Do what of a deploy takes long and changes nothing that serves: models and images. Raises KitError."""
    target = space.target(host)
    with target.lock("setup --adopt"):
        rollout = planning.plan_rollout(space, host, target_state.whole(space))
        preflight.check(rollout)
        _fetch(space, rollout, report)
        _build(rollout, report)


def _roll(space: Workspace, rollout: PlannedRollout, states: States, report: Reporter) -> None:
    """Put the new release in the place of the one that serves, or see to it that the latter serves again."""
    awake = frozenset(name for name, entry in states.items() if control.is_awake(entry))
    early = second_slot.names(rollout, states)
    before = _write(rollout, early, states, report)
    try:
        _serve(rollout, early, awake, report)
    except Lost:
        raise
    except KitError as error:
        raise _retreat(space, rollout, before, awake, error, report) from None


def _serve(rollout: PlannedRollout, early: frozenset[str], awake: frozenset[str], report: Reporter) -> None:
    _run(rollout, early, report)
    _certify(rollout, report)
    _prove(rollout, awake, report)


def _retreat(
    space: Workspace,
    rollout: PlannedRollout,
    before: Mapping[str, Writing],
    awake: frozenset[str],
    failure: KitError,
    report: Reporter,
) -> KitError:
    """Bring back the release before, with the secrets it had. Returns what to tell."""
    host, target, number = rollout.host, rollout.target, rollout.record["release"]
    if not number:
        return adopt.way_back(host, target, failure)
    report.warn(f"{failure.message} Rolling back to release {number}.")
    notification.send(host, target, f"A deploy by {operator()} was rolled back: {failure.message}")
    try:
        former = target.answer(releases.load(host.layout, number))
        known: dict[Reference, Secret] = {}
        for path, file in former.tree.items():
            if file.references and path in before:
                known |= env.recovered(file, before[path].content.decode(errors="replace"))
        restored = rollout.target_state.instead(former)
        back = planning.plan_rollout(space, host, lambda *_: asking.known(restored), known)
        now = _states(back)
        early = second_slot.names(back, now)
        _write(back, early, now, report)
        _serve(back, early, awake, report)
        records.settle(target, _with_slots(back))
        did = f"{rollout.target_state.verb}, rolled back: {failure.message}"
        releases.note(target, _entry(rollout, number, did))
        second_slot.clear(back, report)
    except Lost as lost:
        return lost
    except KitError as error:
        message = f"{failure.message} Rolling back to release {number} failed too: {error.message}"
        notification.send(host, target, message)
        return KitError(message, error.hint, output=failure.output + error.output)
    return KitError(failure.message, f"Release {number} serves again. {failure.hint}".strip(), output=failure.output)


def _fetch(space: Workspace, rollout: PlannedRollout, report: Reporter) -> None:
    wanted = [rollout.models[name] for name in rollout.plan.models]
    if wanted:
        token = fetching.token(rollout.host, rollout.secrets)
        fetching.fetch(rollout.host, rollout.target, wanted, token, space.path, report)


def _build(rollout: PlannedRollout, report: Reporter) -> None:
    for path in rollout.plan.images:
        component = rollout.components.get(path)
        if component:
            with report.step(f"Building {component.label}") as bar:
                components.build(rollout.target, rollout.host.layout, component, bar)
        else:
            service = rollout.images[path]
            if service.image_from == "registry":
                records.take(rollout.target, rollout.record, service.image)
            with report.step(images.title(service)) as bar:
                images.provide(rollout.target, service, bar)


def _write(rollout: PlannedRollout, early: frozenset[str], states: States, report: Reporter) -> dict[str, Writing]:
    """Certificates and files, and what starts `early`, beside what serves; if that does not start, or nginx refuses the
    result, what was there before is put back. Returns that."""
    host, target, tree = rollout.host, rollout.target, rollout.tree
    if rollout.plan.certificate and target.answer(issuing.reason(host)):
        issuing.install(host, target, rollout.secrets)
    users.ensure(target, host.layout)
    layout = host.layout
    target.folders([f"{layout.var}/acme", f"{layout.var}/nginx", layout.run, layout.log])
    job_folders.make(host, target)
    before = _kept(target, (*rollout.plan.write, *rollout.plan.remove))
    target.write_all([replace(before[path], path=f"{path}.bak") for path in rollout.plan.drifted])
    entries = rollout.entries
    records.intend(target, rollout.record, {path: entries[path] for path in rollout.plan.write})
    wanted = {path: tree[path] for path in rollout.plan.write}
    folders = tuple(f"{rollout.services[name].folder}/" for name in early)
    try:
        _put(target, rollout, {path: file for path, file in wanted.items() if path.startswith(folders)})
        for name in sorted(early):
            second_slot.start(rollout, name, states, report)
        # From here on autostart would start what is new, if it had to begin anew.
        with report.step("Writing the configuration"):
            _put(target, rollout, {path: file for path, file in wanted.items() if not path.startswith(folders)})
            target.remove(*rollout.plan.remove, below=layout.etc)
            _check(target)
    except Lost:
        raise
    except KitError as error:
        target.remove(*(path for path in rollout.plan.write if path not in before), below=layout.etc)
        target.write_all(list(before.values()))
        for name in early:
            second_slot.withdraw(rollout, name, states)
        records.put_back(target, rollout.record)
        number = rollout.record["release"]
        still = f"Release {number} keeps serving; nothing was changed." if number else error.hint
        raise KitError(error.message, still, output=error.output, code=HOST) from None
    for name in early:
        second_slot.keep(rollout, name)
    return before


def _put(target: Target, rollout: PlannedRollout, files: Mapping[str, File]) -> None:
    secrets = rollout.secrets
    target.write_all([Writing(p, f.content(secrets).encode(), f.mode, f.owner, f.group) for p, f in files.items()])


def _check(target: Target) -> None:
    try:
        target.supervisor.check()
    except KitError as error:
        raise KitError("nginx rejects the new configuration.", output=error.output, code=HOST) from None


def _kept(target: Target, paths: Sequence[str]) -> dict[str, Writing]:
    """Files as they are now, to be put back."""
    states = target.states(paths)
    contents = target.answer(asking.together(*(asking.read(path) for path in states)))
    return {
        path: Writing(path, content, state.mode, state.owner, state.group)
        for (path, state), content in zip(states.items(), contents, strict=True)
        if content is not None
    }


def _run(rollout: PlannedRollout, early: frozenset[str], report: Reporter) -> None:
    host, target, supervisor = rollout.host, rollout.target, rollout.target.supervisor
    changed = rollout.changed - early
    known = control.states(host, target)
    gone = {name: entry for name, entry in known.items() if name not in rollout.services}
    for name in known:
        if name in changed or name in gone:
            with report.step(f"Draining {name}; queueing new requests"):
                control.hold(host, target, name)
    for name, service in rollout.services.items():
        if name in changed and host.runtime == "compose":
            with report.step(f"Creating the container of {name}"):
                images.create(target, service.folder)
    anew = [e.what for e in rollout.plan.effects if e.verb == "restart" and e.what not in rollout.services]
    for unit in (*rollout.plan.start, *anew):
        with report.step(f"Starting {unit}"):
            supervisor.start(unit)
    for effect in rollout.plan.effects:
        if effect.verb == "reload" and effect.what not in (*rollout.plan.start, *anew):
            with report.step(f"Reloading {effect.what}"):
                supervisor.reload(effect.what)
    for name, entry in control.states(host, target).items():
        if name in changed and entry["state"] == "paused":
            control.release(host, target, name)
    if host.runtime == "compose":
        images.remove(target, (container for entry in gone.values() for container in entry["containers"]))


def _certify(rollout: PlannedRollout, report: Reporter) -> None:
    """Ask Let's Encrypt, now that the challenge can be answered, for the names that point here. Not getting one ends no
    deploy."""
    host, target = rollout.host, rollout.target
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


def _untrusted(rollout: PlannedRollout) -> tuple[str, ...]:
    """Names that clients do not trust yet: Let's Encrypt has issued no certificate for them."""
    host, target = rollout.host, rollout.target
    if host.tls.mode != "letsencrypt":
        return ()
    there = target.answer(acme.issued())
    return tuple(name for name in host.names if there is None or name not in there.names)


def _states(rollout: PlannedRollout) -> States:
    """What autostart says; nothing where it does not answer and is about to be started anew."""
    try:
        return control.states(rollout.host, rollout.target)
    except Lost:
        raise
    except KitError:
        return {}


def _prove(rollout: PlannedRollout, awake: frozenset[str], report: Reporter) -> None:
    """Start each changed service once, ask it something, and let it sleep again if it slept before."""
    host, target = rollout.host, rollout.target
    proven = dict(rollout.record.get("proven", {}))
    entries = rollout.entries
    for name, service in rollout.concerned.items():
        release = service.release + entries[service.environment_file]["digest"] + service.ready_path
        if proven.get(name) == release and name not in rollout.changed:
            continue
        with report.step(f"Verifying {name}"):
            control.wake(host, target, name)
            verify.answers(host, target, service)
            if name not in awake:
                with contextlib.suppress(KitError):  # somebody has begun to use it: it sleeps when they are done
                    control.sleep(host, target, name)
        proven[name] = release
    rollout.record["proven"] = {name: proven[name] for name in rollout.services if name in proven}
    with report.step("Checking HTTPS and authentication"):
        verify.guarded(host, target)
        verify.listening(host, target, rollout.services)
    for sentence in verify.open_ways(host, target):
        report.warn(sentence)


def _with_slots(rollout: PlannedRollout) -> dict[str, Any]:
    """The record, with which services serve from their second container."""
    second = [name for name, service in rollout.services.items() if control.is_second(service.entry)]
    return rollout.record | {"second": second}


def _record(rollout: PlannedRollout, *, anew: bool = True) -> None:
    """`anew`: as a release of its own; else the present one has only moved."""
    host, target, present = rollout.host, rollout.target, rollout.record["release"]
    # After a restore the record begins anew, and the releases go on.
    number = max(present, *target.answer(releases.numbers(host.layout)), 0) + 1 if anew else present
    wanted = rollout.target_state
    entry = _entry(rollout, number, wanted.verb)
    kept = (wanted.former.components, wanted.former.models) if wanted.former else ((), ())
    release = Release(
        number,
        rollout.tree,
        rollout.services,
        images_of(rollout.services),
        tuple(dict.fromkeys((*kept[0], *wanted.components))),
        tuple(dict.fromkeys((*kept[1], *wanted.models))),
        wanted.units,
        wanted.inventory,
    )
    releases.save(target, release, entry if anew else None)
    changes: dict[str, Any] = {}
    if anew:
        changes = {key: entry[key] for key in ("kit", "release", "at", "by")}
        changes["certificate"] = target.answer(issuing.served_digest(host.layout))
    records.settle(target, _with_slots(rollout) | changes | {"files": rollout.entries})


def _entry(rollout: PlannedRollout, number: int, did: str) -> dict[str, Any]:
    """The audit log's entry of a deploy: `number` is the release that serves after it."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    steps = [str(step) for step in rollout.plan.steps]
    return {"release": number, "at": at, "by": operator(), "kit": VERSION, "did": did, "steps": steps}
