"""A service that does next to nothing, so that what is measured is the way to it: `python sink.py PORT`.

It reads every request to its end and answers with a small JSON. It speaks no more HTTP than nginx and autostart
send: a Content-Length or no body at all, one request after the other on a connection that is kept.
"""

import asyncio
import re
import sys

import uvloop

BODY = b'{"object": "list", "data": []}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Sink(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.head = b""
        self.left = 0  # bytes of the body still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's are no subclasses of it

    def data_received(self, data: bytes) -> None:
        while data:
            if self.left:
                taken = min(self.left, len(data))
                self.left -= taken
                data = data[taken:] if taken < len(data) else b""
            else:
                self.head += data
                end = self.head.find(b"\r\n\r\n")
                if end < 0:
                    return
                length = LENGTH.search(self.head, 0, end + 2)
                self.left = int(length[1]) if length else 0
                data, self.head = self.head[end + 4 :], b""
            if not self.left:
                self.transport.write(ANSWER)


async def serve(port: int) -> None:
    """Until it is ended from outside."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
