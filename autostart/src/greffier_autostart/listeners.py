"""The addresses beside autostart's own: opened and closed as the configuration says."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Protocol

from .entry import Address, ServiceEntry
from .service import Service
from .tcp import TcpClient

MAX_CONNECTIONS = 64
"""To one address: whoever reaches it without a password must not take the connections that HTTP needs."""

BACKLOG = 128


class House(Protocol):
    """The supervisor, as far as a listener uses it."""

    def named(self, name: str) -> Service | None: ...

    def opened(self, client: TcpClient) -> bool: ...

    def closed(self, client: TcpClient) -> None: ...

    def troubled(self, name: str, why: str) -> None:
        """Told once of an address of the service `name` that cannot be listened on."""
        ...


class Listeners:
    """Holds exactly the addresses that the services' entries name. Also the `tcp.Router` of their clients."""

    def __init__(self, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self._house = house
        self._loop = loop
        self._names: dict[Address, str] = {}  # of the service that an address is of
        self._servers: dict[Address, asyncio.Server] = {}
        self._errors: dict[Address, str] = {}
        self._connections: Counter[Address] = Counter()
        self._opening = asyncio.Lock()

    async def follow(self, entries: Iterable[ServiceEntry]) -> None:
        """Close the addresses that are gone, and open the new ones."""
        async with self._opening:
            self._names = {tcp.listen: entry.name for entry in entries for tcp in entry.policy.tcp}
            for listen in self._servers.keys() - self._names.keys():
                self._servers.pop(listen).close()
            self._errors.clear()
            await self._open()

    async def retry(self) -> None:
        """Try again what could not be had: its network may be up by now."""
        if self._errors:
            async with self._opening:
                await self._open()

    def error(self, listen: Address) -> str | None:
        """Why nobody can connect there."""
        return self._errors.get(listen)

    def close(self) -> None:
        """Open connections stay."""
        self._names.clear()
        for server in self._servers.values():
            server.close()

    # tcp.Router

    def find(self, listen: Address) -> Service | None:
        name = self._names.get(listen)
        return None if name is None else self._house.named(name)

    def opened(self, client: TcpClient) -> bool:
        self._connections[client.listen] += 1
        return self._house.opened(client) and self._connections[client.listen] <= MAX_CONNECTIONS

    def closed(self, client: TcpClient) -> None:
        self._connections[client.listen] -= 1
        self._house.closed(client)

    # Inside

    async def _open(self) -> None:
        for listen in sorted(self._names.keys() - self._servers.keys()):
            try:
                listener = _bound(listen)
            except OSError as error:
                self._fail(listen, os.strerror(error.errno or 0))
                continue
            self._errors.pop(listen, None)
            client = partial(TcpClient, self, listen, self._loop)
            self._servers[listen] = await self._loop.create_server(client, sock=listener, backlog=BACKLOG)

    def _fail(self, listen: Address, why: str) -> None:
        if self._errors.get(listen) != why:
            address, port = listen
            self._house.troubled(self._names[listen], f"cannot listen on {address} port {port}: {why}")
        self._errors[listen] = why


def _bound(listen: Address) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ipaddress.ip_address(listen[0]).version == 6 else socket.AF_INET
    listener = socket.create_server(listen, family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener
