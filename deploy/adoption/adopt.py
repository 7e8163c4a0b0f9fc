"""A hand-made installation is taken over, and given back. Nothing of it is deleted."""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import replace

from deploy.adoption import assessment, detect, journal
from deploy.adoption.detect import Config, Container, Found, Step, Unit
from deploy.config.stack import HostStack
from deploy.errors import HOST, KitError
from deploy.render import units
from deploy.reporting import Reporter
from deploy.runtime import docker
from deploy.state import users
from deploy.transport.targets import Target
from deploy.workspace import Workspace


def look(host: HostStack, target: Target) -> Found:
    """What is in Greffier's way on a host. Raises KitError where nginx refuses what others wrote for it."""
    seen = target.look("neighbours")
    if seen["refused"] and "/greffier" not in seen["refused"]:  # what is ours, a deploy puts right
        raise KitError(
            f"nginx on {host.name} rejects its current configuration; nothing was changed.",
            "Fix it first, then check with `nginx -t` on the host.",
            output=seen["refused"],
        )
    found = assessment.assess(seen, host)
    taken: list[users.User] = []
    refused: list[str] = []
    for path in found.passwords:
        text = (target.read(path) or b"").decode(errors="replace")
        more, reasons = users.read(text, [user.name for user in taken])
        taken += more
        refused += [f"{path}, {reason}" for reason in reasons]
    return replace(found, users=tuple(taken), refused=tuple(refused))


def refuse(host: HostStack, target: Target) -> None:
    """Raise KitError, naming all of it, where something is in Greffier's way."""
    found = look(host, target)
    if not found.steps:
        return check(host, found)
    lines = [*map(str, found.steps), *found.by_hand, *(f"{path} holds the passwords" for path in found.passwords)]
    raise KitError(
        f"{host.name} runs something that conflicts with Greffier, listed above; nothing was changed.",
        f"`greffier setup {host.name} --adopt` shows what it would do with each and takes it over; that can be undone.",
        output="\n".join(lines),
        code=HOST,
    )


def check(host: HostStack, found: Found) -> None:
    """Raise KitError where a part of it could not be brought back."""
    if found.by_hand:
        raise KitError(
            f"{host.name} runs something that only you can move out of the way, listed above; nothing was changed.",
            "Stop or move it on the host, then run the command again.",
            output="\n".join(found.by_hand),
            code=HOST,
        )


def take(host: HostStack, target: Target, shown: Found, report: Reporter) -> list[str]:
    """Take over what was shown. Cut off, it is finished by another time. Returns what was done, in sentences."""
    with target.lock("setup --adopt"):
        found = look(host, target)  # what runs may have fallen asleep meanwhile
        check(host, found)
        if not {step.key for step in found.steps} <= {step.key for step in shown.steps}:
            raise KitError(
                "The host has changed since this list was made; nothing was taken over.",
                "Run the command again.",
                code=HOST,
            )
        before = journal.read(target)
        _clash(before, found.steps)
        remembered = detect.merged(before, found.steps)
        journal.write(target, remembered)
        users.join(target, host.layout, found.users)
        configs = [step for step in found.steps if isinstance(step, Config)]
        for config in configs:
            with report.step(f"Moving {config.path} aside"):
                _put_aside(target, config)
        _accepted(target, before, configs)
        for step in found.steps:
            if not isinstance(step, Config):
                with report.step(f"Stopping {step.label}"):
                    _stop(target, step)
        if any(config.listens for config in configs):
            target.run(("systemctl", "reload", "nginx"))
        # A container that its service removed when it was stopped comes back with that service.
        there = _containers(target) if any(isinstance(step, Container) for step in remembered) else {}
        journal.write(target, [step for step in remembered if not isinstance(step, Container) or step.id in there])
    done = [f"took over {step.label}: {step.taking}" for step in found.steps]
    return [*done, *([f"took over the users {', '.join(user.name for user in found.users)}"] * bool(found.users))]


def _clash(before: Sequence[Step], now: Sequence[Step]) -> None:
    """A file that was put aside and is there again must not take the first one's place in the journal."""
    known = {step.key: step for step in before}
    for step in now:
        old = known.get(step.key)
        if isinstance(step, Config) and isinstance(old, Config) and (old.aside, old.link) != (step.aside, step.link):
            first = old.aside or f"the link to {old.link}"
            raise KitError(f"{step.path} was taken over before ({first}), and is there again.", "Remove one of them.")


def _accepted(target: Target, before: Sequence[Step], configs: Sequence[Config]) -> None:
    """nginx can do without these; else they are put back, before anything was stopped. Raises KitError."""
    try:
        if configs:
            target.supervisor.check()
    except KitError as error:
        for config in configs:
            _bring_back(target, config)
        journal.write(target, before)
        paths = ", ".join(config.path for config in configs)
        raise KitError(
            f"nginx rejects its configuration without {paths}; they were put back, and nothing was stopped.",
            "Something else on the host needs them: move that, then run the command again.",
            output=error.output,
        ) from None


def _put_aside(target: Target, config: Config) -> None:
    if config.link:
        target.remove(config.path)
        return
    target.run(("mkdir", "--parents", "--", posixpath.dirname(config.aside)))
    target.run(("mv", "--no-clobber", "--", config.path, config.aside))


def _stop(target: Target, step: Unit | Container) -> None:
    if isinstance(step, Unit):
        if step.enabled:
            target.run(("systemctl", "disable", "--", step.name))
        if step.active:
            target.run(("systemctl", "stop", "--", step.name))
        return
    if step.id not in _containers(target):  # a service that was stopped took it along, and brings it back
        return
    if step.restart != "no":
        target.run(docker.restart_policy(step.id, "no"))
    if step.running:
        target.run(docker.stop(step.id))
    if step.aside:
        target.run(docker.rename(step.id, step.aside))


def _containers(target: Target) -> dict[str, str]:
    """Name of each container, by id."""
    listed = target.run(docker.list_containers("{{.ID}} {{.Names}}"))
    return dict(line.split(" ", 1) for line in listed.splitlines())


def way_back(host: HostStack, target: Target, failure: KitError) -> KitError:
    """The failure of a first deploy, and how what was there before it serves again."""
    if not journal.read(target):
        return failure
    hint = f"{failure.hint} `greffier setup {host.name} --undo-adopt` restores what was there before.".strip()
    return KitError(failure.message, hint, code=failure.code, output=failure.output)


# Back. ----------------------------------------------------------------------------------------------


def taken(host: HostStack, target: Target) -> list[Step]:
    """What can be given back. Raises KitError where nothing was taken over, or where something changed since."""
    steps = journal.read(target)
    if not steps:
        raise KitError(f"Nothing was taken over on {host.name}: there is nothing to undo.", code=HOST)
    changed = [sentence for step in steps if (sentence := _changed(target, step))]
    if changed:
        raise KitError(
            f"{host.name} has changed since it was taken over; nothing was undone.",
            "Fix what is listed above, then run the command again.",
            output="\n".join(changed),
            code=HOST,
        )
    return steps


def undo(space: Workspace, host: HostStack, clear: Callable[[Target, HostStack], None], report: Reporter) -> None:
    """Remove what Greffier put on a host, and bring back what was there before. Cut off, another time finishes it.
    `clear` removes all that is Greffier's."""
    target, layout = space.target(host), host.layout
    with target.lock("setup --undo-adopt"):
        steps = taken(host, target)
        if target.existing([layout.etc, layout.opt, layout.log, layout.record, units.UNIT, units.ADDRESS]):
            with report.step("Removing Greffier's services"):
                clear(target, host)
        for step in detect.returning(steps):
            with report.step(f"Restoring {step.label}"):
                _bring_back(target, step) if isinstance(step, Config) else _start(target, step)
        target.run(("rmdir", "--ignore-fail-on-non-empty", "--", detect.PUT_ASIDE), check=False)
        with report.step("Reloading nginx"):
            target.supervisor.check()
            target.run(("systemctl", "reload-or-restart", "nginx"))
        journal.write(target, ())


def _changed(target: Target, step: Step) -> str:
    """Why a step cannot be taken back, in a sentence; nothing where it can be, or is already."""
    if isinstance(step, Unit):
        return _unit_changed(target, step)
    if isinstance(step, Container):
        return _container_changed(target, step)
    return _link_changed(target, step) if step.link else _file_changed(target, step)


def _file_changed(target: Target, step: Config) -> str:
    states = target.states([step.path, step.aside])
    if step.path in states and step.aside in states:
        return f"{step.path} exists again, and {step.aside} is the earlier one: remove one of them"
    if not states:
        return f"{step.aside}, formerly {step.path}, is gone"
    if step.aside in states and states[step.aside].digest != step.digest:
        return f"{step.aside} was changed since: rename it to {step.path} if that is what you want"
    return ""


def _link_changed(target: Target, step: Config) -> str:
    link = target.run(("readlink", "--", step.path), check=False).rstrip("\n")
    if link != step.link and (link or target.existing([step.path])):
        return f"{step.path} exists, and is no longer a link to {step.link}"
    return "" if target.existing([step.source]) else f"{step.source}, which {step.path} linked to, is gone"


def _unit_changed(target: Target, step: Unit) -> str:
    shown = target.run(("systemctl", "show", "--property=LoadState", "--value", "--", step.name)).strip()
    linked = step.file != step.name and target.existing([step.file])
    return "" if shown != "not-found" or linked else f"{step.name} is gone"


def _container_changed(target: Target, step: Container) -> str:
    names = _containers(target)
    if step.id not in names:  # its owner may have made it anew
        return "" if step.name in names.values() else f"{step} is gone: recreate it"
    if names[step.id] != step.name and not step.aside and step.name in names.values():
        return f"another container is called {step.name}: rename it"
    return ""


def _bring_back(target: Target, config: Config) -> None:
    if config.link:
        target.run(("ln", "--symbolic", "--force", "--no-target-directory", "--", config.link, config.path))
    elif target.existing([config.aside]):
        target.run(("mv", "--no-clobber", "--", config.aside, config.path))


def _start(target: Target, step: Unit | Container) -> None:
    if isinstance(step, Unit):
        if step.enabled:
            target.run(("systemctl", "enable", "--", step.file))
        if step.active:
            target.run(("systemctl", "start", "--", step.name))
        return
    name = _containers(target).get(step.id)
    if name is None:  # its owner made it anew
        return
    if name != step.name:
        target.run(docker.rename(step.id, step.name))
    if step.restart != "no":
        target.run(docker.restart_policy(step.id, step.restart))
    if step.running:
        target.run(docker.start(step.id))
