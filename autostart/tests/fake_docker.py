"""Enough of Docker's API for its SDK, on a unix socket; child processes stand for containers."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from house import free_port

Result = TypeVar("Result")
NEVER = "0001-01-01T00:00:00Z"
PATIENCE = 30.0
"""Seconds that anything here may take; what takes longer hangs."""

LINGER = 0.1
"""Seconds that a request may go on when the daemon goes. aiohttp takes 0 for no limit: it would then wait for
a connection that is just being made, on which its client may not say a word for a minute."""


def _now() -> str:
    """As Docker writes it, with nine decimals."""
    return datetime.now(UTC).isoformat().replace("+00:00", "123Z")


@dataclass
class Container:
    name: str
    program: Path
    environment: dict[str, str]
    memory: int
    process: asyncio.subprocess.Process | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    began: str = NEVER
    finished: str = NEVER
    exit_code: int = 0
    out_of_memory: bool = False
    log: list[tuple[float, bytes]] = field(default_factory=list)
    proxy: asyncio.Server | None = None

    @property
    def running(self) -> bool:
        return self.process is not None


class FakeDocker:
    """Its loop runs in a thread of its own, which nobody waits for at the end of the program.

    `calls`: what was asked over the socket, as "start NAME". `delay`: seconds until it knows of a container's
    end. `forwarding`: a container's port is held by a proxy in between, which takes connections until then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.containers: dict[str, Container] = {}
        self.calls: list[str] = []
        self.delay = 0.0
        self.forwarding = False
        self._events: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="docker", daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self.call(self.up())

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do it in the engine's own thread. Names what runs there where it does not end."""
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result(PATIENCE)
        except TimeoutError:
            if done.done():
                raise
            text = f"after {PATIENCE:g} s the stand-in Docker still runs:\n{self._at_work()}"
            raise AssertionError(text) from None

    def close(self) -> None:
        """End it and its containers, whatever goes wrong."""
        try:
            self.call(self._end())
        finally:
            for container in self.containers.values():
                if container.process is not None:
                    with contextlib.suppress(ProcessLookupError):
                        container.process.kill()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"the stand-in Docker does not stop:\n{self._at_work()}"
        self._loop.close()

    async def _end(self) -> None:
        await self.down()
        for name in list(self.containers):
            await self.remove(name)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _at_work(self) -> str:
        """Its containers that run, and where its tasks stand."""
        text = io.StringIO()
        for container in self.containers.values():
            if container.process is not None:
                print(f"{container.name}, process {container.process.pid}", file=text)
        for task in asyncio.all_tasks(self._loop):
            task.print_stack(file=text)
        return text.getvalue()

    # The daemon itself

    async def up(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/version", self._version),
                web.get("/{api}/events", self._stream_events),
                web.get("/{api}/containers/{name}/json", self._inspect),
                web.get("/{api}/containers/{name}/logs", self._logs),
                web.post("/{api}/containers/{name}/start", self._start),
                web.post("/{api}/containers/{name}/stop", self._stop),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=LINGER)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()

    async def down(self) -> None:
        """As if the daemon had gone: nobody answers, and its event streams end. Containers go on."""
        for queue in self._events:
            queue.put_nowait(None)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.path.unlink(missing_ok=True)

    # Its commands

    def create(self, name: str, program: Path, environment: dict[str, str], memory: int) -> None:
        assert name not in self.containers
        self.containers[name] = Container(name, program, environment, memory)

    async def start(self, name: str) -> None:
        container = self.containers[name]
        if container.running:
            return
        container.ended = asyncio.Event()
        container.out_of_memory = False
        container.began = _now()
        environment = {"PATH": os.environ["PATH"], **container.environment}
        if self.forwarding:
            inner = free_port()
            handler = partial(_forward, inner)
            container.proxy = await asyncio.start_server(handler, "127.0.0.1", int(environment["PORT"]))
            environment["PORT"] = str(inner)
        container.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(container.program),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._tell("start", container)
        task = asyncio.create_task(self._follow(container, container.process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, name: str, seconds: float) -> None:
        container = self.containers[name]
        self._kill(container, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._end_of(container), seconds)
        except TimeoutError:
            self._kill(container, signal.SIGKILL)
            await self._end_of(container)

    async def restart(self, name: str) -> None:
        await self.stop(name, 5)
        await self.start(name)

    async def remove(self, name: str) -> None:
        container = self.containers[name]
        self._kill(container, signal.SIGKILL)
        await self._end_of(container)
        del self.containers[name]
        self._tell("destroy", container)

    async def exhaust(self, name: str) -> None:
        """The kernel ends it because it uses more memory than it may."""
        container = self.containers[name]
        assert container.process is not None
        container.out_of_memory = True
        self._tell("oom", container)
        container.process.kill()

    def _kill(self, container: Container, number: signal.Signals) -> None:
        if container.process is not None:
            self._tell("kill", container, signal=str(int(number)))
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                container.process.send_signal(number)

    async def _end_of(self, container: Container) -> None:
        if container.running:
            await container.ended.wait()

    async def _follow(self, container: Container, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            container.log.append((time.time(), line))
        code = await process.wait()
        container.exit_code = code if code >= 0 else 128 - code
        container.finished = _now()
        await asyncio.sleep(self.delay)
        if container.proxy is not None:
            container.proxy.close()
        container.process = None
        container.ended.set()
        self._tell("die", container, exitCode=str(container.exit_code))

    def _tell(self, action: str, container: Container, **attributes: str) -> None:
        event = {
            "Type": "container",
            "Action": action,
            "Actor": {"ID": container.name, "Attributes": {"name": container.name, **attributes}},
            "timeNano": time.time_ns(),
        }
        for queue in self._events:
            queue.put_nowait(event)

    # Its API

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.45", "Version": "26.1.5"})

    def _named(self, request: web.Request) -> Container:
        name = request.match_info["name"]
        if name not in self.containers:
            text = json.dumps({"message": f"No such container: {name}"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return self.containers[name]

    async def _inspect(self, request: web.Request) -> web.Response:
        container = self._named(request)
        state = {
            "Running": container.running,
            "Restarting": False,
            "OOMKilled": container.out_of_memory,
            "Pid": container.process.pid if container.process else 0,
            "ExitCode": container.exit_code,
            "Error": "",
            "StartedAt": container.began,
            "FinishedAt": container.finished,
        }
        host = {"Memory": container.memory}
        return web.json_response({"Id": container.name, "State": state, "HostConfig": host, "Config": {"Tty": False}})

    async def _logs(self, request: web.Request) -> web.Response:
        since = float(request.query["since"])
        lines = [line for when, line in self._named(request).log if when >= since]
        frames = [struct.pack(">BxxxL", 1, len(line)) + line for line in lines[-int(request.query["tail"]) :]]
        return web.Response(body=b"".join(frames), content_type="application/vnd.docker.multiplexed-stream")

    async def _start(self, request: web.Request) -> web.Response:
        container = self._named(request)
        self.calls.append(f"start {container.name}")
        await self.start(container.name)
        return web.Response(status=204)

    async def _stop(self, request: web.Request) -> web.Response:
        container = self._named(request)
        self.calls.append(f"stop {container.name}")
        await self.stop(container.name, float(request.query["t"]))
        return web.Response(status=204)

    async def _stream_events(self, request: web.Request) -> web.StreamResponse:
        wanted = json.loads(request.query["filters"])["event"]
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._events.add(queue)
        try:
            await response.prepare(request)
            while (event := await queue.get()) is not None:
                if event["Action"] in wanted:
                    await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._events.discard(queue)
        return response


async def _forward(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection through a container's proxy; where nobody listens inside, it closes."""
    with contextlib.suppress(OSError):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
    writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
