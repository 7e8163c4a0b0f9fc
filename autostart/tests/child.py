"""A small service for the tests: raw HTTP on a socket, with every habit a real one might have.

Environment: PORT; DELAY (seconds until /ready says 200); FAIL (a reason to die of at once); STARTS (a file
that gets a line for every start); GATE (a file whose appearance lets /gate answer; beside it, GATE.asked
gets a byte for every such request); STUBBORN (ignores SIGTERM); HOST (where to listen); TCP_PORT (where it says in
capitals what it is told, without HTTP).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

BEGAN = time.monotonic()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return method, target, headers


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    if headers.get("transfer-encoding") == "chunked":
        while length := int(await reader.readline(), 16):
            digest.update(await reader.readexactly(length))
            size += length
            await reader.readline()
        await reader.readline()
    else:
        left = int(headers.get("content-length", 0))
        while left:
            piece = await reader.read(min(left, 1 << 16))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            digest.update(piece)
            size += len(piece)
            left -= len(piece)
    return size, digest.hexdigest()


def answer(document: object, status: str = "200 OK", extra: str = "") -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece.upper())
        await writer.drain()


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"%d " % os.getpid())
    await echo(reader, writer)
    writer.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    number = 0
    try:
        while await one(reader, writer, number):
            number += 1
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        print("the client went away", flush=True)
    writer.close()


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
    """Serves one request; false closes the connection. `number`: how many came before on this connection."""
    try:
        method, target, headers = await read_head(reader)
    except asyncio.IncompleteReadError:
        return False
    path = target.partition("?")[0]
    if path == "/ready":
        ready = time.monotonic() - BEGAN >= float(os.environ.get("DELAY", "0"))
        writer.write(answer({"status": "ready"}, "200 OK" if ready else "503 Service Unavailable"))
        return True
    if path == "/early":  # too large: say so, and read no more
        writer.write(answer({"error": "too large"}, "413 Content Too Large", "Connection: close\r\n"))
        await writer.drain()
        return False
    if path == "/early-and-read":
        writer.write(answer({"error": "no"}, "400 Bad Request"))
        await read_body(reader, headers)
        return True
    if path == "/upgrade":
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        await echo(reader, writer)
        return False
    if path == "/mute":
        print("a handshake", flush=True)
        while await reader.read(1 << 16):
            pass
        await asyncio.sleep(3600)  # not even that the client has left moves it
    if path == "/stale" and number:  # as if it had closed before the request came
        return False
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    size, digest = await read_body(reader, headers)
    if path == "/last-words":
        writer.transport.set_write_buffer_limits(0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6000000\r\n\r\n" + b"x" * 6_000_000)
        await writer.drain()
        os._exit(3)
    if path == "/swallow":
        print("swallowed", flush=True)
        return False
    if path == "/die":
        print("out of luck", flush=True)
        os._exit(3)
    if path == "/eat":  # all the memory that there is
        hoard = []
        while True:
            hoard.append(os.urandom(1 << 20))
    if path == "/gate":
        with Path(os.environ["GATE"] + ".asked").open("a") as file:
            file.write(".")
        while not Path(os.environ["GATE"]).exists():
            if reader.at_eof():
                raise ConnectionError
            await asyncio.sleep(0.01)
    if path == "/hints":
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nSet-Cookie: early=1\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
    if path == "/reset":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the e")
        await asyncio.sleep(0.05)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False
    if path == "/half":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await asyncio.sleep(3600)
    if path == "/open-ended":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        return False
    if path == "/truncated":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all")
        return False
    if path == "/garbage":
        writer.write(b"this is not HTTP\r\n\r\n")
        return False
    if path == "/chunked":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        writer.write(b"6\r\n world\r\n0\r\n\r\n")
        return True
    if path == "/large":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 << 20))
        for _ in range(200):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
        return True
    if method == "HEAD":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        return True
    environment = {key: value for key, value in os.environ.items() if key.startswith(("TEST_", "SECRET_"))}
    document = {"path": target, "size": size, "sha256": digest, "number": number, "pid": os.getpid()}
    writer.write(answer({**document, "headers": headers, "environment": environment}))
    return True


async def main() -> None:
    if starts := os.environ.get("STARTS"):
        with Path(starts).open("a") as file:
            print(os.getpid(), file=file)
    if reason := os.environ.get("FAIL"):
        print("loading the model …\n\x1b[31m" + reason + "\x1b[0m", file=sys.stderr)
        sys.exit(1)
    if "STUBBORN" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    host = os.environ.get("HOST", "127.0.0.1")
    if port := os.environ.get("TCP_PORT"):
        await asyncio.start_server(shout, host, int(port))
    server = await asyncio.start_server(serve, host, int(os.environ["PORT"]))
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
