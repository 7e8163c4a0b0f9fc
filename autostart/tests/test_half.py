"""Closing one direction of a connection."""

import asyncio
import socket
import struct

from greffier_autostart.half import half_close


class Told(asyncio.Protocol):
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[asyncio.Transport] = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.made.set_result(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


def test_a_connection_that_has_just_been_reset_is_lost_and_no_more() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        told = Told()
        server = await loop.create_server(lambda: told, "127.0.0.1", 0)
        async with server:
            peer = socket.create_connection(server.sockets[0].getsockname())
            transport = await told.made
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()  # its reset is there, and the loop has not looked yet
            half_close(transport)
            await asyncio.wait_for(told.lost, 10)

    asyncio.run(scene())
