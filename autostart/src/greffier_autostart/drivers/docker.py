"""Services as containers that are there already: made by `deploy`, started and stopped here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM
from typing import Any

from ..entry import Release
from ..states import Cause
from .base import End, StartError, ending
from .engine import Engine, EngineError, Event, Facts, Missing, Unreachable

STOP_TRIES = 5
STOP_PAUSE_SECONDS = 1.0
"""A container that Docker does not stop is left after so many tries: it is then adopted again."""

ENDING = frozenset((SIGINT, SIGQUIT, SIGKILL, SIGTERM))


@dataclass
class _Run:
    """One run of the container that serves. `ended`: what is known of its end, None where that is nothing."""

    facts: Facts
    ended: asyncio.Future[Facts | None]
    told_to_end: bool = False  # by a signal: ours, or from `docker stop`
    out_of_memory: bool = False


class DockerDriver:
    """Starts and stops a release's containers; the first one serves and is the one that is watched.

    Docker's events are hints to look: what counts is what Docker then says about the container. So a late, a
    lost or a repeated event does no harm.
    """

    def __init__(self, release: Release, engine: Engine, appeared: Callable[[], None]) -> None:
        self._serving, *self._others = release.containers
        self._engine = engine
        self._appeared = appeared
        self._run: _Run | None = None
        self._begun = False  # something was started since the last stop
        self._closed = False
        self._lock = asyncio.Lock()  # of every conversation with Docker that depends on the state
        self._tasks: set[asyncio.Task[None]] = set()
        engine.watch(self._serving, self._on_event)

    @property
    def pid(self) -> int | None:
        return self._run.facts.pid if self._run and not self._run.ended.done() else None

    async def running(self) -> bool:
        try:
            return (await self._engine.inspect(self._serving)).running
        except EngineError:
            return False

    async def start(self) -> None:
        # A start that is cancelled goes on, and `stop` waits for it: Docker cannot be called back.
        await asyncio.shield(self._spawn(self._start()))

    async def ended(self) -> End:
        run = self._run
        assert run is not None
        facts = await asyncio.shield(run.ended)
        if facts is None:
            return End(Cause("its container was removed or restarted"), clean=True, at=time.time())
        if facts.message:
            return End(Cause("Docker could not run its container", facts.message), clean=False, at=facts.ended)
        if run.told_to_end:
            return End(Cause("its container was stopped by someone else"), clean=True, at=facts.ended)
        told, code = ending(facts.exit_code), facts.exit_code
        if code and (run.out_of_memory or facts.out_of_memory):
            limit = f" (memory limit {_bytes(facts.memory)})" if facts.memory else ""
            told = f"it was killed because it ran out of memory{limit}"
        return End(Cause(told, await self.last_words()), clean=not code, at=facts.ended, status=code)

    async def stop(self, patience: float) -> None:
        async with self._lock:
            if not self._begun:
                return
            run, self._run = self._run, None
            # Somebody may have started it anew after its end, and then it needs the others.
            anew = run is not None and run.ended.done() and await self.running()
            for container in () if anew else (self._serving, *reversed(self._others)):
                await self._stop(container, patience)
            self._begun = False  # last: a stop that is cancelled is done again

    async def last_words(self) -> str:
        if self._run is None:
            return ""
        try:
            return await self._engine.last_line(self._serving, self._run.facts.began)
        except EngineError:  # the container is gone, or its log is kept elsewhere
            return ""

    async def close(self, patience: float) -> None:
        if not self._closed:
            self._closed = True
            self._engine.unwatch(self._serving, self._on_event)

    # Inside

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nobody waits for a start that was cancelled

    async def _start(self) -> None:
        async with self._lock:
            self._begun = True
            try:
                for container in (*self._others, self._serving):
                    await self._start_one(container)
                facts = await self._engine.inspect(self._serving)
            except EngineError as error:
                raise StartError(error.told, error.said) from None
            self._run = _Run(facts, asyncio.get_running_loop().create_future())
            if not facts.running:
                self._run.ended.set_result(facts)

    async def _start_one(self, container: str) -> None:
        try:
            await self._engine.start(container)
        except Missing:
            raise StartError(f"its container {container} is missing; run `greffier deploy` to create it") from None

    async def _stop(self, container: str, patience: float) -> None:
        for number in range(STOP_TRIES):
            if number:
                await asyncio.sleep(STOP_PAUSE_SECONDS)
            try:
                await self._engine.stop(container, patience)
                return
            except (Missing, Unreachable):  # whatever runs still when Docker is back is adopted
                return
            except EngineError:
                continue

    def _on_event(self, event: Event | None) -> None:
        run = self._run
        if run is not None and event is not None and event.time >= run.facts.began:
            run.told_to_end |= event.signal in ENDING
            run.out_of_memory |= event.action == "oom"
        if event is None or event.action in ("start", "die", "destroy"):
            self._spawn(self._compare())

    async def _compare(self) -> None:
        """Compare what Docker says with what is believed here."""
        async with self._lock:
            try:
                facts: Facts | None = await self._engine.inspect(self._serving)
            except Missing:
                facts = None
            except EngineError:
                return  # there will be another look when Docker answers again
            run = self._run
            if run is None or run.ended.done():
                if facts is not None and facts.running and not self._closed:
                    self._appeared()
            elif facts is None or facts.run != run.facts.run:
                run.ended.set_result(None)
            elif not facts.running:
                run.ended.set_result(facts)


def _bytes(size: int) -> str:
    """A memory limit as people write it."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size >= factor:
            return f"{round(size / factor, 1):g} {unit}"
    return f"{size} bytes"
