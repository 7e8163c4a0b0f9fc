"""Is the port free, is the service ready."""

from __future__ import annotations

import asyncio
import errno
import socket

from .drivers import StartError
from .entry import ServiceEntry

INTERVAL = 0.02
"""Seconds between two looks at a starting service: on average half of it is added to a wake."""

PATIENCE = 2.0
"""Seconds to wait for one answer."""


def check_port_is_free(host: str, port: int) -> None:
    """Raises StartError if somebody listens there: the service could not, and we would talk to a stranger."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} is in use by another program"
        else:
            message = f"port {port} cannot be used: {error.strerror}"
        raise StartError(message) from None


class Prober:
    """Asks a service's readiness path until it answers 2xx."""

    def __init__(self, host: str, entry: ServiceEntry) -> None:
        self._host = host
        self._port = entry.release.port
        path, hostname = entry.policy.ready_path, entry.policy.hostname
        self._request = f"GET {path} HTTP/1.1\r\nHost: {hostname}\r\nConnection: close\r\n\r\n".encode()

    async def until_ready(self) -> None:
        while not await self._is_ready():
            await asyncio.sleep(INTERVAL)

    async def _is_ready(self) -> bool:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(self._request)
                status = (await reader.readline()).split(b" ", 2)
                return len(status) > 1 and status[1][:1] == b"2" and len(status[1].strip()) == 3
        except (OSError, TimeoutError, ValueError):
            return False
        finally:
            if writer is not None:
                writer.transport.abort()
