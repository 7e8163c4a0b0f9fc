"""The running program: sockets, signals and the log, around a Supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from .config import Config, ConfigError, load_config
from .control import CommandError, ControlError, ControlServer
from .service import Service
from .states import State
from .supervisor import MAX_CONNECTIONS, Supervisor

BACKLOG = 4096


class ServeError(Exception):
    """The program cannot run; the text says why."""


def serve(path: Path) -> None:
    """Runs until SIGTERM or SIGINT. Raises ConfigError or ServeError."""
    config = load_config(path)
    _raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(path, config))


async def _serve(path: Path, config: Config) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report_error)
    supervisor = Supervisor(config, _report, loop)
    waiting = {"wake": supervisor.wake, "sleep": supervisor.sleep, "hold": supervisor.hold}
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> dict[str, Any]:
        changes = await supervisor.reload(load_config(path))
        _log("reloaded", **changes)
        return changes

    async def reload_by_signal() -> None:
        try:
            await reload()
        except (ConfigError, CommandError) as error:
            _log("reload refused", error=str(error))

    def begin_reload() -> None:
        task = loop.create_task(reload_by_signal())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    async def command(name: str, service: str | None) -> dict[str, Any]:
        if name == "status":
            return supervisor.status()
        if name == "reload":
            return await reload()
        if name == "release" and service is not None:
            return supervisor.release(service)
        if name == "dismiss" and service is not None:
            return supervisor.dismiss(service)
        if name in waiting and service is not None:
            return await waiting[name](service)
        known = "status, reload, with a service's name wake, sleep, hold, release, with a user's dismiss"
        raise CommandError(f"unknown command {name!r}; known: {known}")

    await supervisor.adopt()
    await supervisor.listen()
    server = await _listen(supervisor, config.listen, loop)
    control = ControlServer(config.control, command)
    try:
        await control.open()
    except ControlError as error:
        server.close()
        raise ServeError(str(error)) from None
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    loop.add_signal_handler(signal.SIGHUP, begin_reload)
    sweeper = loop.create_task(supervisor.sweep())
    host, port = server.sockets[0].getsockname()[:2]
    _log("listening", address=f"{host}:{port}", services=len(config.services))
    await done.wait()
    _log("stopping")
    server.close()
    await supervisor.close()
    control.close()
    sweeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweeper
    _log("stopped")


async def _listen(supervisor: Supervisor, address: tuple[str, int], loop: asyncio.AbstractEventLoop) -> asyncio.Server:
    """On the address, or on the socket that systemd holds: then callers wait while autostart restarts."""
    inherited = _inherited()
    if inherited is not None:
        return await loop.create_server(supervisor.client, sock=inherited)
    host, port = address
    try:
        return await loop.create_server(supervisor.client, host, port, backlog=BACKLOG)
    except OSError as error:
        raise ServeError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _inherited() -> socket.socket | None:
    """The socket that systemd passed, if it did (sd_listen_fds(3): the first is number 3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    passed = socket.socket(fileno=3)
    passed.setblocking(False)
    return passed


def _report(service: Service, old: State, new: State, reason: str | None) -> None:
    extra = {"reason": reason} if reason else {}
    _log("state", service=service.entry.name, old=old.value, new=new.value, **extra)


def _report_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error of ours in a callback or task, where it happened included: the others go on being served."""
    error = context.get("exception")
    trace = traceback.format_exception(error)[-8:] if isinstance(error, BaseException) else []
    _log("internal error", message=context.get("message"), trace="".join(trace))


def _log(event: str, **values: Any) -> None:
    """One line of JSON on standard error; never anything of a request."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    with contextlib.suppress(OSError):
        print(json.dumps({"time": time, "event": event, **values}), file=sys.stderr, flush=True)


def _raise_file_limit() -> None:
    """Every relayed connection takes two file descriptors."""
    wanted = 2 * MAX_CONNECTIONS + 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
