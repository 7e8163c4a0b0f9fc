"""A client with a fixed rate: `python steady.py`, one JSON request on standard input, one answer on standard output.

Asked: {"host", "port", "path", "authority", "key", "rate", "seconds"}. Answer: {"p50", "p99", "late"}, milliseconds
from the moment a request is due until its answer is read. Requests are sent when they are due, whatever became of
those before, on connections that are kept; `late` counts those that found every connection busy.
"""

import asyncio
import json
import ssl
import sys
import time
from statistics import quantiles
from typing import Any

import uvloop

CONNECTIONS = 16


async def main(asked: dict[str, Any]) -> dict[str, float]:
    trust = ssl.create_default_context(cafile=asked["authority"])
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(asked["host"], asked["port"], ssl=trust))
    request = (
        f"GET {asked['path']} HTTP/1.1\r\nHost: {asked['host']}:{asked['port']}\r\n"
        f"Authorization: Bearer {asked['key']}\r\n\r\n"
    ).encode()
    spans: list[float] = []
    late = 0

    async def ask() -> None:
        began = time.perf_counter()
        reader, writer = await free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"not answered with status 200: {head[:100]!r}")
        length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
        spans.append(time.perf_counter() - began)
        free.put_nowait((reader, writer))

    count = int(asked["rate"] * asked["seconds"])
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(began + number / asked["rate"] - time.perf_counter())
            late += free.empty()
            tasks.create_task(ask())
    while not free.empty():
        free.get_nowait()[1].close()
    cuts = quantiles(spans[len(spans) // 10 :], n=100)  # the first tenth finds cold caches
    return {"p50": cuts[49] * 1000, "p99": cuts[98] * 1000, "late": late}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(json.load(sys.stdin)))))
