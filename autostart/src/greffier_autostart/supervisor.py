"""All services of a host, and the connections to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from .client import Client
from .config import Config, ConfigError, ServiceEntry
from .control import CommandError
from .machine import Busy, State
from .service import Report, Service

MAX_CONNECTIONS = 4096
SWEEP_SECONDS = 1.0


class Supervisor:
    """Knows every service by its name and, as `client.Router`, by its host name."""

    def __init__(self, config: Config, report: Report, loop: asyncio.AbstractEventLoop) -> None:
        self.closing = False
        self._config = config
        self._report = report
        self._loop = loop
        self._services: dict[str, Service] = {}
        self._routes: dict[str, Service] = {}
        self._clients: set[Client] = set()
        self._empty = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()
        self._adopt(config.services)

    def client(self) -> Client:
        """A protocol for one more connection."""
        return Client(self, self._loop)

    # client.Router

    def find(self, host: str) -> Service | None:
        return self._routes.get(host)

    def opened(self, client: Client) -> bool:
        self._clients.add(client)
        return len(self._clients) <= MAX_CONNECTIONS and not self.closing

    def closed(self, client: Client) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._empty.set()

    # Commands

    def status(self) -> dict[str, Any]:
        return {"services": [self._describe(service) for _, service in sorted(self._services.items())]}

    async def wake(self, name: str) -> dict[str, Any]:
        """Waits until the service is ready. Raises CommandError with the reason if it cannot be."""
        service = self._named(name)
        service.machine.wake()
        state = await service.wait_for(State.READY, State.FAILED, State.ASLEEP)
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

    def reload(self, config: Config) -> dict[str, Any]:
        """Take over a new configuration. Raises ConfigError if it changes what only a restart can change, and
        CommandError while autostart stops."""
        if self.closing:
            raise CommandError("autostart is stopping")
        if config.listen != self._config.listen:
            raise ConfigError("listen: cannot change while autostart runs; restart it")
        if config.control != self._config.control:
            raise ConfigError("control: cannot change while autostart runs; restart it")
        self._config = config
        wanted = {entry.name: entry for entry in config.services}
        before = {name: service.wanted_entry for name, service in self._services.items()}
        changed = sorted(
            name for name in wanted if name in before and before[name] not in (None, wanted[name])
        )
        added = sorted(name for name in wanted if before.get(name) is None)
        removed = sorted(name for name, entry in before.items() if entry is not None and name not in wanted)
        for name in changed:
            self._services[name].replace(wanted[name])
        for name in removed:
            self._retire(self._services[name])
        self._adopt(config.services)
        return {"added": added, "changed": changed, "removed": removed}

    # Upkeep

    async def sweep(self) -> None:
        """Gives up slow clients and closes unused connections, for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self._loop.time()
            for client in list(self._clients):
                client.sweep(now)
            for service in self._services.values():
                service.pool.sweep()

    async def close(self) -> None:
        """Finish what is in flight, within the services' own stop times, and stop every service."""
        self.closing = True
        services = list(self._services.values())
        for service in services:
            service.replace(None, why="is shutting down with autostart")
        for client in list(self._clients):
            client.close_if_idle()
        patience = max((service.entry.stop_seconds for service in services), default=0.0)
        if self._clients:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), patience)
            except TimeoutError:
                for client in list(self._clients):
                    client.abort()
        for service in services:
            await service.wait_for(State.PAUSED)

    # Inside

    def _adopt(self, entries: Iterable[ServiceEntry]) -> None:
        """Route to every entry's service, with a new service where its name is not known."""
        self._routes = {}
        for entry in entries:
            service = self._services.get(entry.name)
            if service is None:
                service = self._services[entry.name] = Service(entry, self._report, self._loop)
            elif service.wanted_entry is None:  # removed a moment ago and not gone yet
                service.replace(entry)
            self._routes[entry.hostname] = service

    def _retire(self, service: Service) -> None:
        service.replace(None)
        task = self._loop.create_task(self._forget(service))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _forget(self, service: Service) -> None:
        await service.wait_for(State.PAUSED)
        if service.wanted_entry is None:
            self._services.pop(service.entry.name, None)

    def _named(self, name: str) -> Service:
        service = self._services.get(name)
        if service is None or service.wanted_entry is None:
            known = ", ".join(sorted(self._services)) or "none"
            raise CommandError(f"no service is called {name!r}; known: {known}")
        return service

    def _describe(self, service: Service) -> dict[str, Any]:
        machine, now = service.machine, self._loop.time()
        last_use = machine.last_use
        return {
            "name": service.entry.name,
            "hostname": service.entry.hostname,
            "state": machine.state.value,
            "since": round(now - machine.since, 3),
            "inFlight": machine.in_flight,
            "held": machine.held,
            "lastRequest": None if last_use is None else round(now - last_use, 3),
            "starts": machine.starts,
            "lastStartSeconds": _rounded(machine.last_start_seconds),
            "lastError": machine.last_error,
            "pid": service.pid,
            "idleSeconds": service.entry.idle_seconds,
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
