"""A program in place of a service: it tells what reaches a service. Run by autostart as `python upstream.py PORT`.

Any path answers with JSON {method, path, headers, body}, where body is a number of bytes. A websocket gets the
same as its first message, then its own bytes back. Some paths do what no service should: see `_misbehave`.
"""

import asyncio
import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""


def put(kit: Any, name: str) -> None:
    """Let autostart run this program as the service `name`."""
    path = kit.root / "etc" / "autostart" / "config.json"
    config = json.loads(path.read_text())
    entry = next(entry for entry in config["services"].values() if entry["name"] == name)
    entry["release"] = "upstream"
    entry["process"]["command"] = [sys.executable, __file__, str(entry["proxyPort"])]
    path.write_text(json.dumps(config))
    answer = kit.ask("reload")
    assert name in answer["changed"], answer


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _answer(reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers: dict[str, str] = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    seen = {"method": method, "path": path, "headers": headers}
    if path == "/v1/mute":  # and it does not notice that its client has left
        await asyncio.sleep(3600)
    if headers.get("upgrade", "").lower() == "websocket":
        digest = hashlib.sha1(headers["sec-websocket-key"].encode() + MAGIC).digest()
        answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        answer.append(f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}")
        chosen = headers.get("sec-websocket-protocol", "").split(",")[0].strip()
        answer += [f"Sec-WebSocket-Protocol: {chosen}"] if chosen else []
        writer.write("\r\n".join([*answer, "", ""]).encode() + _frame(json.dumps(seen).encode()))
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        return False
    length = await _body(reader, headers)
    told = await _misbehave(path, writer)
    if told is None:
        return False
    body = json.dumps(seen | {"body": length}).encode()
    kind = "Content-Type: application/json\r\nSet-Cookie: upstream=1\r\nService-Worker-Allowed: /" + told
    writer.write(f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    return True


async def _misbehave(path: str, writer: asyncio.StreamWriter) -> str | None:
    """More lines for the head; None: the connection ends without an answer."""
    if path == "/v1/swallow":
        print("swallowed", file=sys.stderr, flush=True)
        return None
    if path == "/v1/hints":
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nSet-Cookie: early=1\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
    if path.startswith("/v1/accel"):
        return f"\r\nX-Accel-Redirect: {path.partition('?')[2]}\r\nX-Accel-Limit-Rate: 1"
    return "\r\nClear-Site-Data: *\r\nAccess-Control-Expose-Headers: x-upstream" if path == "/v1/origin" else ""


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> int:
    total = 0
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
            total += size
        await reader.readline()
        return total
    left = int(headers.get("content-length", 0))
    while left:
        piece = await reader.read(min(left, 65536))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        total, left = total + len(piece), left - len(piece)
    return total


def _frame(text: bytes) -> bytes:
    """A text frame, as a server sends it."""
    length = bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big")
    return b"\x81" + length + text


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port)
    print(f"{Path(__file__).name} serves", file=sys.stderr, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
