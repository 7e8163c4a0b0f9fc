"""All services of a host, and the connections to them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from . import wake_file
from .client import Client
from .config import Config, ConfigError
from .control import CommandError
from .drivers import Drivers
from .entry import ServiceEntry
from .listeners import Listeners
from .service import Report, Service
from .states import Busy, State

MAX_CONNECTIONS = 4096
SWEEP_SECONDS = 1.0
FAREWELL_SECONDS = 1.0
"""So long whoever is told that autostart ends may take to hear it."""

LAST_CALL_SECONDS = 0.5
"""Before it ends, what is on its way over open connections already is still served."""


class Connection(Protocol):
    """A client's, whatever it speaks."""

    def close_if_idle(self) -> None: ...

    def dismiss(self, user: str) -> bool: ...

    def abort(self) -> None: ...

    def sweep(self, now: float) -> None: ...


class Supervisor:
    """Knows every service by its name and, as `client.Router`, by its host name."""

    def __init__(self, config: Config, report: Report, loop: asyncio.AbstractEventLoop) -> None:
        self.closing = False
        self._config = config
        self._report = report
        self._loop = loop
        self._drivers = Drivers(loop)
        self._services: dict[str, Service] = {}
        self._replaced: list[Service] = []  # by one that runs beside it; they finish what they have in flight
        self._routes: dict[str, Service] = {}
        self._clients: set[Connection] = set()
        self._listeners = Listeners(self, loop)
        self._empty = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._route(config.services)

    def client(self) -> Client:
        """A protocol for one more connection."""
        return Client(self, self._loop)

    # client.Router

    def find(self, host: str) -> Service | None:
        return self._routes.get(host)

    def opened(self, client: Connection) -> bool:
        self._clients.add(client)
        return len(self._clients) <= MAX_CONNECTIONS

    def closed(self, client: Connection) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._empty.set()

    # listeners.House

    def named(self, name: str) -> Service | None:
        return self._services.get(name)

    def troubled(self, name: str, why: str) -> None:
        service = self._services[name]
        state = service.machine.state
        self._report(service, state, state, why)

    # Commands

    def status(self) -> dict[str, Any]:
        return {"services": [self._describe(service) for _, service in sorted(self._services.items())]}

    async def wake(self, name: str) -> dict[str, Any]:
        """Waits until the service is ready. Raises CommandError with the reason if it cannot be."""
        service = self._named(name)
        if service.on_hold:
            raise CommandError(f"{name} is on hold; run `release {name}` to end it")
        service.machine.wake()
        state = await self._reach(service, State.READY, State.FAILED, State.ASLEEP)
        if state is State.FAILED:
            raise CommandError(f"{name} could not be started: {service.machine.last_error}")
        if state is State.ASLEEP:
            raise CommandError(f"{name} was stopped before it was ready")
        return self._describe(service)

    async def sleep(self, name: str) -> dict[str, Any]:
        """Waits until the service is stopped. Raises CommandError if requests are in flight."""
        service = self._named(name)
        try:
            service.machine.sleep()
        except Busy as busy:
            raise CommandError(str(busy)) from None
        while service.machine.state is State.DRAINING:
            await service.wait_for_change()
        if service.machine.state not in (State.ASLEEP, State.PAUSED):
            raise CommandError(f"{name} was woken again by a request")
        return self._describe(service)

    async def hold(self, name: str) -> dict[str, Any]:
        """Holds new requests, finishes those in flight and stops the service; waits until that is done.

        It lasts until `release`, but not for ever: see `Service.hold_seconds`.
        """
        service = self._named(name)
        service.hold()
        while service.on_hold and service.machine.state is not State.PAUSED:
            await service.wait_for_change()
        self._refuse_if_gone(service)
        if not service.on_hold:
            busy, most = service.machine.in_flight, service.hold_seconds
            raise CommandError(f"{name} is no longer on hold (a hold ends after {most:g} s); in flight {busy}")
        return self._describe(service)

    def release(self, name: str) -> dict[str, Any]:
        """Ends a hold; starts the service if requests wait."""
        service = self._named(name)
        service.release()
        return self._describe(service)

    def dismiss(self, user: str) -> dict[str, Any]:
        """Ends the websockets of a user who is no user any more. Says how many there were."""
        return {"closed": sum(client.dismiss(user) for client in list(self._clients))}

    async def adopt(self) -> None:
        """Takes over what runs already, as far as it is ready in a moment."""
        await _adopt(self._services.values())

    async def listen(self) -> None:
        """Opens the addresses that services have beside HTTP; what cannot be had is told by `status`."""
        await self._listeners.follow(self._config.services)

    async def reload(self, config: Config) -> dict[str, Any]:
        """Take over a new configuration. Returns the names of the services that it concerns; of those that
        are `adjusted` only the policy changed. Raises ConfigError if it changes what only a restart can
        change, and CommandError while autostart stops.

        Another policy holds at once, and nothing in flight is touched. A changed release that can run beside
        the old one takes over at once, and the old one finishes what it has in flight. Where it cannot,
        requests are held while the old one drains and stops.
        """
        async with self._reloading:
            return await self._reload(config)

    async def _reload(self, config: Config) -> dict[str, Any]:
        if config.listen != self._config.listen:
            raise ConfigError("listen: cannot change while autostart runs; restart it")
        if config.control != self._config.control:
            raise ConfigError("control: cannot change while autostart runs; restart it")
        wanted = {entry.name: entry for entry in config.services}
        before = {name: service.wanted_entry for name, service in self._services.items()}
        differ = [name for name in wanted if before.get(name) not in (None, wanted[name])]
        adjusted = sorted(name for name in differ if self._runs_as(name, wanted[name]))
        changed = sorted(set(differ) - set(adjusted))
        added = sorted(name for name in wanted if before.get(name) is None)
        removed = sorted(name for name, entry in before.items() if entry is not None and name not in wanted)
        beside = [name for name in changed if not self._services[name].entry.release.excludes(wanted[name].release)]
        fresh = {name: self._new(wanted[name]) for name in beside if not self._returning(wanted[name])}
        await _adopt(fresh.values())  # first, so that it is ready when its first request comes
        if self.closing:
            for service in fresh.values():
                await service.close()
            raise CommandError("autostart is stopping")
        self._config = config
        for name in differ:
            if name in beside:
                self._switch(self._services[name], wanted[name], fresh.get(name))
            else:
                self._services[name].replace(wanted[name])
        for name in removed:
            self._services[name].retire("was removed from this host")
            self._forget_in_the_end(self._services[name])
        self._route(config.services)
        await self._listeners.follow(config.services)
        return {"added": added, "changed": changed, "adjusted": adjusted, "removed": removed}

    # Upkeep

    async def sweep(self) -> None:
        """Gives up slow clients, closes unused connections and opens late addresses, for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self._loop.time()
            for client in list(self._clients):
                client.sweep(now)
            for service in self._known():
                service.pool.sweep()
            self._look_for_work()
            await self._listeners.retry()

    def _look_for_work(self) -> None:
        now = time.time()
        for service in self._services.values():
            if (path := service.entry.policy.wake_file) is not None and not self.closing:
                service.machine.work(wake_file.due(path, now))

    async def close(self) -> None:
        """Finish what is in flight, within the services' own stop times, and stop what cannot go on alone."""
        self.closing = True  # from here on every answer is the last one of its connection
        self._listeners.close()
        await self._without_clients(LAST_CALL_SECONDS)
        services = self._known()
        for service in self._services.values():
            if service.wanted_entry is not None:
                service.leave("is shutting down with autostart")
        for client in list(self._clients):
            client.close_if_idle()
        patience = max((service.entry.policy.stop_seconds for service in services), default=0.0)
        if not await self._without_clients(patience):
            for service in services:
                service.machine.expel()
        for service in services:
            await service.wait_for(State.PAUSED)
        if not await self._without_clients(FAREWELL_SECONDS):
            for client in list(self._clients):
                client.abort()
        for service in services:
            await service.close()
        self._drivers.close()

    # Inside

    async def _without_clients(self, seconds: float) -> bool:
        """Wait until nobody is connected. Returns whether it came to that in time."""
        if self._clients:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        return not self._clients

    def _known(self) -> list[Service]:
        return [*self._services.values(), *self._replaced]

    def _new(self, entry: ServiceEntry) -> Service:
        return Service(entry, self._report, self._drivers, self._loop)

    def _runs_as(self, name: str, entry: ServiceEntry) -> bool:
        """What runs for a service, and is to run on, is what the entry asks for."""
        service = self._services[name]
        there = service.wanted_entry
        return there is not None and there.release == service.entry.release == entry.release

    def _returning(self, entry: ServiceEntry) -> Service | None:
        """A replaced service that still has what the entry wants: it has to come back, not run twice."""
        for service in self._replaced:
            if service.entry.name == entry.name and service.entry.release.excludes(entry.release):
                return service
        return None

    def _switch(self, service: Service, entry: ServiceEntry, fresh: Service | None) -> None:
        successor = fresh or self._returning(entry) or self._new(entry)
        if successor in self._replaced:
            self._replaced.remove(successor)
            successor.replace(entry)
        self._services[entry.name] = successor
        self._replaced.append(service)
        service.succeed(successor)
        self._forget_in_the_end(service)

    def _route(self, entries: Iterable[ServiceEntry]) -> None:
        """Route to every entry's service, with a new service where its name is not known."""
        self._routes = {}
        for entry in entries:
            service = self._services.get(entry.name)
            if service is None:
                service = self._services[entry.name] = self._new(entry)
            elif service.wanted_entry is None:  # removed a moment ago and not gone yet
                service.replace(entry)
            self._routes[entry.policy.hostname] = service

    def _forget_in_the_end(self, service: Service) -> None:
        task = self._loop.create_task(self._forget(service))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _forget(self, service: Service) -> None:
        await service.wait_for(State.PAUSED)
        if service.wanted_entry is None and not self.closing:
            await service.close()
            if service in self._replaced:
                self._replaced.remove(service)
            elif self._services.get(service.entry.name) is service:
                del self._services[service.entry.name]

    def _named(self, name: str) -> Service:
        service = self._services.get(name)
        if service is None or service.wanted_entry is None:
            known = ", ".join(sorted(self._services)) or "none"
            raise CommandError(f"there is no service {name!r}; known: {known}")
        return service

    async def _reach(self, service: Service, *states: State) -> State:
        """Waits for one of the states. Raises CommandError if the service goes before that."""
        while service.machine.state not in states:
            self._refuse_if_gone(service)
            await service.wait_for_change()
        return service.machine.state

    def _refuse_if_gone(self, service: Service) -> None:
        if service.wanted_entry is None:
            raise CommandError(f"{service.entry.name} was replaced or removed meanwhile; try again")

    def _describe(self, service: Service) -> dict[str, Any]:
        machine, now = service.machine, self._loop.time()
        last_use = machine.last_use
        release, policy = service.entry.release, service.entry.policy
        return {
            "name": service.entry.name,
            "hostname": policy.hostname,
            "state": machine.state.value,
            "since": round(now - machine.since, 3),
            "inFlight": machine.in_flight,
            "held": machine.held,
            "lastRequest": None if last_use is None else round(now - last_use, 3),
            "starts": machine.starts,
            "lastStartSeconds": _rounded(machine.last_start_seconds),
            "lastError": str(machine.last_error) if machine.last_error else None,
            "pid": service.pid,
            "idleSeconds": policy.idle_seconds,
            "driver": release.driver,
            "containers": list(release.containers),
            "port": release.port,
            "tcp": [
                {"listen": list(tcp.listen), "port": tcp.port, "error": self._listeners.error(tcp.listen)}
                # The listeners follow what is wanted at once.
                for tcp in (service.wanted_entry or service.entry).policy.tcp
            ],
            "draining": [
                {"port": old.entry.release.port, "inFlight": old.machine.in_flight}
                for old in self._replaced
                if old.entry.name == service.entry.name
            ],
        }


async def _adopt(services: Collection[Service]) -> None:
    await asyncio.gather(*(service.adopt() for service in services))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
