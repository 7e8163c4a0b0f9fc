"""One service: its entry, its machine, its driver and the connections to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .config import ServiceEntry
from .drivers import Driver, StartError, create_driver
from .machine import Alarm, Limits, Machine, Refusal, State
from .probe import Prober, check_port_is_free
from .upstream import Pool

LOOPBACK = "127.0.0.1"
MAX_OPENAPI_BYTES = 8 * 1024 * 1024

Report = Callable[["Service", State, State, str | None], None]
"""Told of every change of state: the service, the old and the new state, the reason if there is one."""


class Service:
    """Carries out the effects of its machine. Its entry can be replaced while requests are held."""

    def __init__(self, entry: ServiceEntry, report: Report, loop: asyncio.AbstractEventLoop) -> None:
        self.entry = entry
        self._report = report
        self._loop = loop
        self.machine = Machine(entry.name, _limits(entry), self)
        self.pool = Pool(LOOPBACK, entry.port, loop)
        self._driver: Driver = create_driver(entry)
        self._life: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._next: ServiceEntry | None = None
        self._change = asyncio.Event()
        self._openapi: bytes | None = None

    @property
    def pid(self) -> int | None:
        return self._driver.pid

    @property
    def wanted_entry(self) -> ServiceEntry | None:
        """The entry as of the last reload; None once the service was removed from the configuration."""
        return self._next if self.machine.pausing else self.entry

    def openapi(self) -> bytes | None:
        """The committed OpenAPI document, which is shown while the service sleeps."""
        if self._openapi is None and self.entry.openapi is not None:
            try:
                with self.entry.openapi.open("rb") as file:
                    document = file.read(MAX_OPENAPI_BYTES + 1)
            except OSError:
                return None
            self._openapi = document if len(document) <= MAX_OPENAPI_BYTES else None
        return self._openapi

    def replace(self, entry: ServiceEntry | None, *, why: str = "was removed from this host") -> None:
        """Drain and stop, then go on with the new entry, or with None stay stopped and refuse requests."""
        self._next = entry
        closed = None
        if entry is None:
            closed = Refusal("service_removed", f"{self.entry.name} {why}", 5)
        self.machine.pause(closed)
        self._swap_when_paused()

    async def wait_for(self, *states: State) -> State:
        """Waits until the service is in one of the states."""
        while self.machine.state not in states:
            await self._change.wait()
        return self.machine.state

    async def wait_for_change(self) -> State:
        """Waits for the next change of state."""
        await self._change.wait()
        return self.machine.state

    # machine.Effects

    def now(self) -> float:
        return self._loop.time()

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Alarm:
        return self._loop.call_later(seconds, ring)

    def start(self) -> None:
        self.pool = Pool(LOOPBACK, self.entry.port, self._loop)
        self._life = self._loop.create_task(self._live())

    def stop(self) -> None:
        if self._life is not None:
            self._life.cancel()
        self._stopping = self._loop.create_task(self._end())

    def changed(self, old: State, new: State, reason: str | None) -> None:
        self._report(self, old, new, reason)
        change, self._change = self._change, asyncio.Event()
        change.set()
        if new is State.PAUSED:
            self._loop.call_soon(self._swap_when_paused)

    # Inside

    async def _live(self) -> None:
        """From start to end, unless `stop` cancels it."""
        try:
            await self._become_ready()
        except StartError as error:
            await self._driver.stop()
            self.machine.on_failed(str(error))
            return
        except Exception as error:  # a mistake of ours must not leave callers waiting
            await self._driver.stop()
            self.machine.on_failed(f"internal error: {error!r}")
            raise
        self.machine.on_ready()
        end = await self._driver.ended()
        self.pool.close()
        await self._driver.stop()  # what it may have left behind
        self.machine.on_exited(end.reason, clean=end.clean)

    async def _become_ready(self) -> None:
        """Raises StartError, with what was started still to be stopped."""
        check_port_is_free(LOOPBACK, self.entry.port)
        await self._driver.start()
        prober = self._loop.create_task(Prober(LOOPBACK, self.entry).until_ready())
        end = self._loop.create_task(self._driver.ended())
        try:
            await asyncio.wait({prober, end}, timeout=self.entry.start_seconds, return_when="FIRST_COMPLETED")
            if end.done():
                raise StartError(end.result().reason)
            if not prober.done():
                said = self._driver.last_words()
                detail = f"; it said: {said}" if said else ""
                raise StartError(f"it was not ready within {self.entry.start_seconds:g} s{detail}")
        finally:
            prober.cancel()
            end.cancel()

    async def _end(self) -> None:
        self.pool.close()
        if self._life is not None:
            await asyncio.wait({self._life})
        await self._driver.stop()
        self.machine.on_stopped()

    def _swap_when_paused(self) -> None:
        if self.machine.state is State.PAUSED and self._next is not None:
            self.entry, self._next = self._next, None
            self._openapi = None
            self._driver = create_driver(self.entry)
            self.machine.limits = _limits(self.entry)
            self.machine.resume()


def _limits(entry: ServiceEntry) -> Limits:
    return Limits(idle=entry.idle_seconds, hold=entry.start_seconds + entry.stop_seconds)
