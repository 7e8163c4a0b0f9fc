"""One service: its entry, its machine, its driver and the connections to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from .drivers import Driver, Drivers, End, StartError
from .entry import Policy, ServiceEntry
from .machine import Machine
from .probe import Prober, check_port_is_free
from .states import REMOVED, STOPPING, Alarm, Cause, Limits, Refusal, State
from .upstream import Pool

LOOPBACK = "127.0.0.1"
MAX_OPENAPI_BYTES = 8 * 1024 * 1024

ADOPT_SECONDS = 3.0
"""So long a service that runs already may take to answer before nobody waits for it any more."""

MAX_HOLD_SECONDS = 600.0
"""A hold ends by itself so long after the service may take to finish: whoever asked for it may be gone."""

Report = Callable[["Service", State, State, str | None], None]
"""Told of every change of state: the service, the old and the new state, the reason if there is one."""


class Service:
    """Carries out the effects of its machine. Its entry can be replaced while requests are held."""

    def __init__(self, entry: ServiceEntry, report: Report, drivers: Drivers, loop: asyncio.AbstractEventLoop) -> None:
        self.entry = entry
        self.wanted_entry: ServiceEntry | None = entry
        """The entry as of the last reload; None once the service is to go."""
        self.successor: Service | None = None
        """Who serves in its place, while it finishes what it has in flight."""
        self._report = report
        self._drivers = drivers
        self._loop = loop
        self.machine = Machine(entry.name, _limits(entry.policy), self)
        self.pool = Pool(LOOPBACK, entry.release.port, loop)
        self._driver: Driver = drivers.create(entry.release, self.machine.adopt)
        self._life: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hold: asyncio.TimerHandle | None = None
        self._leaving = False
        self._change = asyncio.Event()
        self._new_policy = asyncio.Event()
        self._openapi: bytes | None = None

    @property
    def pid(self) -> int | None:
        return self._driver.pid

    @property
    def on_hold(self) -> bool:
        return self._hold is not None

    @property
    def _patience(self) -> float:
        """Seconds that it may take to stop before it is made to."""
        return self.entry.policy.stop_seconds

    def openapi(self) -> bytes | None:
        """The committed OpenAPI document, which is shown while the service sleeps."""
        if self._openapi is None and self.entry.policy.openapi is not None:
            try:
                with self.entry.policy.openapi.open("rb") as file:
                    document = file.read(MAX_OPENAPI_BYTES + 1)
            except OSError:
                return None
            self._openapi = document if len(document) <= MAX_OPENAPI_BYTES else None
        return self._openapi

    # What becomes of it

    async def adopt(self) -> None:
        """Take over what runs already, and wait a little until it is ready."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ADOPT_SECONDS):
                await self._adopt()
                while self.machine.state is State.STARTING:
                    await self.wait_for_change()

    def replace(self, entry: ServiceEntry) -> None:
        """Go on with another entry. With the same release it serves on, under the new policy; for another one
        it drains and stops first, and takes the policy together with it."""
        self.wanted_entry = entry
        self.successor = None
        if entry.release != self.entry.release:
            self.machine.pause()
            self._go_on_when_paused()
            return
        if entry != self.entry:
            self._take(entry)
        if not self.on_hold:
            self.machine.resume()

    @property
    def hold_seconds(self) -> float:
        return MAX_HOLD_SECONDS + self.entry.policy.drain_seconds

    def retire(self, why: str, code: str = REMOVED) -> None:
        """Finish what is in flight, stop and stay stopped; refuse other requests, because of `why`."""
        self.wanted_entry = None
        self._end_hold()
        self.machine.pause(Refusal(code, f"{self.entry.name} {why}", 5))

    def succeed(self, successor: Service) -> None:
        """Retire, and send the requests that wait here to the successor, which new ones ask already."""
        self.successor = successor
        if self.on_hold:
            successor.hold()
        waiters = self.machine.hand_over()
        self.retire("was replaced", STOPPING)
        for waiter in waiters:
            waiter.redirect()

    def leave(self, why: str) -> None:
        """Autostart ends: as `retire`, but what can run without autostart goes on."""
        self._leaving = True
        self.retire(why, STOPPING)

    def hold(self) -> None:
        """Drain, stop and hold requests until `release`; again: the time begins anew."""
        self._end_hold()
        self._hold = self._loop.call_later(self.hold_seconds, self._on_hold_too_long)
        self.machine.pause()

    def release(self) -> None:
        """End a hold."""
        if self.on_hold:
            self._end_hold()
            if self.wanted_entry == self.entry:
                self.machine.resume()
            else:
                self._go_on_when_paused()

    async def close(self) -> None:
        """To be called in the end, when it is paused."""
        await self._driver.close(self._patience)

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
        self.pool = Pool(LOOPBACK, self.entry.release.port, self._loop)
        self._life = self._spawn(self._live())

    def stop(self) -> None:
        if self._life is not None:
            self._life.cancel()
        self._spawn(self._end())

    def changed(self, old: State, new: State, reason: str | None) -> None:
        self._report(self, old, new, reason)
        change, self._change = self._change, asyncio.Event()
        change.set()
        if new is State.PAUSED:
            self._loop.call_soon(self._go_on_when_paused)

    # Inside

    async def _live(self) -> None:
        """From start to end, unless `stop` cancels it."""
        try:
            await self._become_ready()
        except StartError as error:
            await self._driver.stop(self._patience)
            self.machine.on_failed(error.cause)
            return
        except Exception as error:  # a mistake of ours must not leave callers waiting
            await self._driver.stop(self._patience)
            self.machine.on_failed(Cause("autostart failed; see its log", repr(error)))
            raise
        self.machine.on_ready()
        end = await self._driver.ended()
        self.machine.on_exited(end.cause, clean=end.clean)
        self.pool.retire(end)
        await self._driver.stop(self._patience)  # what it may have left behind
        self.machine.on_stopped()
        await self._adopt()

    async def _become_ready(self) -> None:
        """Raises StartError, with what was started still to be stopped."""
        if not await self._driver.running():
            for port in sorted(self.entry.release.ports):
                check_port_is_free(LOOPBACK, port)
        await self._driver.start()
        began = self._loop.time()
        end = self._loop.create_task(self._driver.ended())
        try:
            while not await self._is_ready(began, end):
                pass  # another policy holds from here on
        finally:
            end.cancel()

    async def _is_ready(self, began: float, end: asyncio.Task[End]) -> bool:
        """Wait until it is ready; false if the policy changed before that. Raises StartError if it ended, or
        took more than its time since `began`."""
        policy = self.entry.policy
        prober = self._loop.create_task(Prober(LOOPBACK, self.entry).until_ready())
        changed = self._loop.create_task(self._new_policy.wait())
        left = max(0.0, began + policy.start_seconds - self._loop.time())
        try:
            await asyncio.wait({prober, end, changed}, timeout=left, return_when="FIRST_COMPLETED")
            if end.done():
                raise self._told(end.result())
            if prober.done() or changed.done():
                return prober.done()
        finally:
            prober.cancel()
            changed.cancel()
        late = f"it did not report ready at {policy.ready_path} within {policy.start_seconds:g} s"
        raise StartError(late, await self._driver.last_words())

    def _told(self, end: End) -> StartError:
        """Why a start failed. A service that tells why does so by its last line, with status 1."""
        told, said = end.cause.told, end.cause.said
        if self.entry.policy.tells_why and end.status == 1 and said:
            return StartError(said)
        return StartError(told, said)

    async def _end(self) -> None:
        if self._life is not None:
            await asyncio.wait({self._life})
        if self._leaving:
            await self._driver.close(self._patience)
        else:
            await self._driver.stop(self._patience)
        self.pool.close()  # only now: to websockets whose time is up a service may say goodbye while it stops
        self.machine.on_stopped()
        await self._adopt()

    async def _adopt(self) -> None:
        """It may have been started by somebody else at a moment when that could not be noticed."""
        driver = self._driver
        if not self._leaving and await driver.running() and driver is self._driver:
            self.machine.adopt()

    def _go_on_when_paused(self) -> None:
        if self.machine.state is not State.PAUSED or self.wanted_entry is None:
            return
        if self.wanted_entry != self.entry:
            self._take(self.wanted_entry)
            self._spawn(self._driver.close(self._patience))
            self._driver = self._drivers.create(self.entry.release, self.machine.adopt)
            self._spawn(self._adopt())
        if not self.on_hold:
            self.machine.resume()

    def _take(self, entry: ServiceEntry) -> None:
        self.entry = entry
        self._openapi = None
        self.machine.limit(_limits(entry.policy))
        new, self._new_policy = self._new_policy, asyncio.Event()
        new.set()

    def _end_hold(self) -> None:
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None

    def _on_hold_too_long(self) -> None:
        state = self.machine.state
        self._report(self, state, state, f"not released within {self.hold_seconds:g} s: the hold ends")
        self.release()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _limits(policy: Policy) -> Limits:
    """A request may wait for what is in flight to end, for the stop, and for the start after it."""
    hold = policy.drain_seconds + policy.stop_seconds + policy.start_seconds
    return Limits(idle=policy.idle_seconds, hold=hold, drain=policy.drain_seconds)
