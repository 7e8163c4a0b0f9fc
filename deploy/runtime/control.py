"""What autostart says and does: status, wake, sleep."""

import json
from collections.abc import Mapping
from typing import Any

from deploy.config.stack import HostStack
from deploy.errors import HOST, KitError
from deploy.program_output import sentence
from deploy.render import autostart
from deploy.render.compose import SECOND
from deploy.transport.targets import Target


def command(host: HostStack, *words: str) -> tuple[str, ...]:
    """The command that speaks with autostart."""
    opt = host.layout.opt
    return (
        "env", f"PYTHONPATH={host.autostart.code(opt)}/src", host.autostart.python(opt),
        "-m", "greffier_autostart", "control", "--socket", host.layout.control, *words,
    )  # fmt: skip


def ask(host: HostStack, target: Target, *words: str) -> dict[str, Any]:
    """The answer to a control command. Raises KitError with autostart's reason."""
    if not target.supervisor.running("autostart"):
        raise KitError("autostart is not running.", "Run `greffier deploy` to start it.", code=HOST)
    printed = list(target.connection.lines(command(host, *words)))
    try:
        answer: dict[str, Any] = dict(json.loads("\n".join(line for stream, line in printed if stream == 1)))
        failure = str(answer["error"]["message"]) if "error" in answer else ""
    except (ValueError, LookupError, TypeError):
        said = "\n".join(line for stream, line in printed if stream)
        raise KitError(
            "autostart did not answer.", "Run `greffier deploy` to restart it.", output=said, code=HOST
        ) from None
    if failure:
        raise KitError(sentence(failure), f"`greffier logs {words[1]}` shows more." if len(words) > 1 else "")
    return answer


def states(host: HostStack, target: Target) -> dict[str, dict[str, Any]]:
    """State of each service, by name; empty where autostart does not run."""
    if not target.supervisor.running("autostart"):
        return {}
    return {entry["name"]: entry for entry in ask(host, target, "status")["services"]}


def state(host: HostStack, target: Target, service: str) -> dict[str, Any]:
    """State of one service. Raises KitError where autostart does not run, or does not know it."""
    for entry in ask(host, target, "status")["services"]:
        if entry["name"] == service:
            return dict(entry)
    raise KitError(f"autostart does not know {service}.", "Run `greffier deploy`.", code=HOST)


def seconds(host: HostStack, target: Target, record: Mapping[str, Any]) -> frozenset[str]:
    """Services that serve from their second container. The record says so; after an apply that was cut off autostart
    does, or what it will read when it starts."""
    if not record["pending"]:
        return frozenset(record["second"])
    found = states(host, target) or _configured(host, target)
    return frozenset(name for name, entry in found.items() if is_second(entry))


def _configured(host: HostStack, target: Target) -> dict[str, dict[str, Any]]:
    """Each service's entry in what autostart reads when it starts, by name. Of a file that is damaged nothing: this
    deploy writes it anew."""
    try:
        config = json.loads(target.read(autostart.path(host)) or b"")
        return {entry["name"]: entry for entry in config["services"].values()}
    except (ValueError, LookupError, AttributeError, TypeError):
        return {}


def is_second(entry: Mapping[str, Any]) -> bool:
    return any(container.endswith(SECOND) for container in entry["containers"])


def is_awake(entry: Mapping[str, Any]) -> bool:
    """Or nearly."""
    return entry["state"] in ("starting", "ready")


def unheard(entry: Mapping[str, Any]) -> list[str]:
    """A sentence for each address of a service, beside HTTP's, that autostart cannot listen on."""
    return [
        f"cannot listen on {one['listen'][0]} port {one['listen'][1]}: {one['error']}"
        for one in entry.get("tcp", ())
        if one["error"]
    ]


def wake(host: HostStack, target: Target, service: str) -> dict[str, Any]:
    """Start a service and wait until it is ready."""
    return ask(host, target, "wake", service)


def restart(host: HostStack, target: Target, service: str) -> dict[str, Any]:
    """Let a service finish what it has, stop it, and start it again; requests that come meanwhile wait."""
    hold(host, target, service)
    release(host, target, service)
    return wake(host, target, service)


def hold(host: HostStack, target: Target, service: str) -> None:
    """Let a service finish what it has and stop it; requests wait until `release`, or until this connection is lost."""
    target.afterwards(f"release {service}", command(host, "release", service))
    ask(host, target, "hold", service)


def release(host: HostStack, target: Target, service: str) -> None:
    """End a hold: requests that wait are served."""
    ask(host, target, "release", service)
    target.afterwards(f"release {service}", ())


def dismiss(host: HostStack, target: Target, user: str) -> int:
    """Close the websockets of a user who is none any more. Returns how many there were."""
    if not target.supervisor.running("autostart"):
        return 0
    closed = ask(host, target, "dismiss", user).get("closed", 0)
    return closed if isinstance(closed, int) else 0


def sleep(host: HostStack, target: Target, service: str) -> dict[str, Any]:
    """Put a service to sleep, unless somebody uses it."""
    return ask(host, target, "sleep", service)
