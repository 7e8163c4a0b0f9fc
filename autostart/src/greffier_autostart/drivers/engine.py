"""Docker's engine, as far as the driver needs it. Its library blocks, so every call runs in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException, Timeout
from urllib3.exceptions import HTTPError

from .logfile import last_line_of

CALL_SECONDS = 60.0
"""Within so long Docker must answer; a stop may take the service's own time on top of it."""

CALLS = 32
"""Calls under way at the same time; more wait for their turn."""

RECONNECT_SECONDS = 1.0
LOG_LINES = 20
MAX_MESSAGE = 500
"""Characters of Docker's own words that are shown to a caller."""

EVENTS = ("start", "kill", "oom", "die", "destroy")

Client = Any  # docker.APIClient: the library is not typed
Result = TypeVar("Result")


class EngineError(Exception):
    """Docker did not do it. `told` is a sentence of ours that says why, `said` Docker's own words."""

    def __init__(self, told: str, said: str = "") -> None:
        super().__init__(told, said)
        self.told = told
        self.said = said


class Missing(EngineError):
    """There is no such container."""


class Unreachable(EngineError):
    """Docker does not answer, or not to us."""


@dataclass(frozen=True)
class Facts:
    """What Docker knows about a container.

    `run` is another one for every run of it, `began` and `ended` are the run's times in seconds since 1970,
    `memory` is its limit in bytes or 0, `message` why it could not be run at all.
    """

    run: str
    running: bool
    began: float
    ended: float
    pid: int
    exit_code: int
    out_of_memory: bool
    memory: int
    message: str


@dataclass(frozen=True)
class Event:
    """Something happened to a container at `time` (seconds since 1970). `signal` 0: not a kill."""

    action: str
    time: float
    signal: int = 0


Watcher = Callable[[Event | None], None]
"""Told of a container's events, and None where some may have been missed."""


class Engine:
    """The engine that DOCKER_HOST names, or else the one at Docker's usual socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turn = asyncio.Semaphore(CALLS)
        self._client: Client | None = None
        self._watchers: dict[str, list[Watcher]] = {}
        self._follower: threading.Thread | None = None
        self._closed = threading.Event()

    def close(self) -> None:
        self._closed.set()

    # Calls: all raise EngineError

    async def inspect(self, container: str) -> Facts:
        return await self._call(lambda client: _facts(client.inspect_container(container)))

    async def start(self, container: str) -> None:
        """Does nothing if it runs."""
        await self._call(lambda client: client.start(container))

    async def stop(self, container: str, seconds: float) -> None:
        """Politely, then after `seconds` by force. Does nothing if it does not run."""
        await self._call(lambda client: client.stop(container, timeout=ceil(seconds)))

    async def last_line(self, container: str, since: float) -> str:
        """The last line that the container wrote since that time; empty if there is none."""

        def read(client: Client) -> bytes:
            text: bytes = client.logs(container, tail=LOG_LINES, since=since)
            return text

        return last_line_of((await self._call(read)).decode("utf-8", "replace"))

    # Events

    def watch(self, container: str, watcher: Watcher) -> None:
        self._watchers.setdefault(container, []).append(watcher)
        if self._follower is None:
            self._follower = _thread(self._follow)

    def unwatch(self, container: str, watcher: Watcher) -> None:
        self._watchers[container].remove(watcher)
        if not self._watchers[container]:
            del self._watchers[container]

    # In threads

    async def _call(self, what: Callable[[Client], Result]) -> Result:
        answer: asyncio.Future[Result] = self._loop.create_future()

        def run() -> None:
            try:
                result = self._carry_out(what)
            except Exception as error:
                self._tell(_settle, answer, error, None)
            else:
                self._tell(_settle, answer, None, result)

        async with self._turn:
            _thread(run)
            return await answer

    def _carry_out(self, what: Callable[[Client], Result]) -> Result:
        try:
            client = self._client
            if client is None:  # two threads may do this at once; both clients are good
                client = self._client = _connect()
            return what(client)
        except APIError as error:
            text = last_line_of(str(error.explanation or error))[:MAX_MESSAGE]
            if error.status_code == 404 and "no such container" in text.lower():
                raise Missing(text) from None
            raise EngineError("Docker refused", text) from None
        except (DockerException, RequestException, HTTPError, OSError) as error:
            self._client = None  # the next engine at this address may be of another version
            raise Unreachable(_unreachable(error)) from None

    def _follow(self) -> None:
        """Passes on events for ever, and after every gap tells all watchers to look for themselves."""
        filters = {"type": "container", "event": list(EVENTS)}
        while not self._closed.is_set():
            # Docker answers a little before it listens: a second is repeated, so that nothing is missed.
            since = int(time.time()) - 1
            with contextlib.suppress(DockerException, RequestException, HTTPError, OSError, ValueError):
                stream = _connect().events(decode=True, since=since, filters=filters)
                self._tell(self._on_gap)
                for event in stream:
                    self._tell(self._on_event, event)
            self._closed.wait(RECONNECT_SECONDS)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: autostart ends
            self._loop.call_soon_threadsafe(what, *arguments)

    # In the loop again

    def _on_gap(self) -> None:
        for watchers in list(self._watchers.values()):
            for watcher in list(watchers):
                watcher(None)

    def _on_event(self, raw: Mapping[str, Any]) -> None:
        attributes = raw.get("Actor", {}).get("Attributes", {})
        signal = str(attributes.get("signal", "0"))
        event = Event(
            action=str(raw.get("Action", "")),
            time=float(raw.get("timeNano", 0)) / 1e9,
            signal=int(signal) if signal.isdigit() else 0,
        )
        for watcher in list(self._watchers.get(str(attributes.get("name", "")), ())):
            watcher(event)


def _thread(target: Callable[[], None]) -> threading.Thread:
    """Begins a daemon, for which nobody waits at the end: a Docker that hangs must not hold autostart up."""
    thread = threading.Thread(target=target, name="docker", daemon=True)
    thread.start()
    return thread


def _settle(answer: asyncio.Future[Any], error: Exception | None, result: object) -> None:
    if answer.done():  # nobody waits any more
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _connect() -> Client:
    return docker.APIClient(version="auto", timeout=CALL_SECONDS, max_pool_size=CALLS, **kwargs_from_env())


def _facts(document: Mapping[str, Any]) -> Facts:
    state = document["State"]
    return Facts(
        run=f"{document['Id']} {state['StartedAt']}",
        running=bool(state["Running"]) and not state.get("Restarting"),
        began=_seconds(state["StartedAt"]),
        ended=_seconds(state["FinishedAt"]),
        pid=state.get("Pid", 0),
        exit_code=state.get("ExitCode", 0),
        out_of_memory=bool(state.get("OOMKilled")),
        memory=document.get("HostConfig", {}).get("Memory", 0),
        message=last_line_of(state.get("Error", ""))[:MAX_MESSAGE],
    )


def _seconds(time: str) -> float:
    """Seconds since 1970 of Docker's RFC 3339 time, which has up to nine decimals; at least 1."""
    return max(1.0, datetime.fromisoformat(time).timestamp())


def _unreachable(error: BaseException) -> str:
    """Why Docker could not be asked, found at the bottom of the libraries' chain of errors."""
    where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PermissionError):
            return f"autostart's user may not use Docker at {where}; it must be in the group docker"
        if isinstance(cause, Timeout | TimeoutError):
            return f"Docker at {where} did not answer within {CALL_SECONDS:g} s"
        cause = cause.__cause__ or cause.__context__
    return f"Docker is not responding at {where}; see `systemctl status docker`"
