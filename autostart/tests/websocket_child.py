"""A service with websockets and event streams on a real HTTP library, for the tests.

With PATIENT in its environment it says something to its websockets when it is told to stop, and closes them;
without it just ends.
"""

from __future__ import annotations

import asyncio
import os
import signal

from aiohttp import WSMsgType, web


async def ready(request: web.Request) -> web.Response:
    return web.Response(text="ready")


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=["realtime"])
    await socket.prepare(request)
    open_ones.add(socket)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data[::-1])
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
    return socket


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(3):
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(0.01)
    await response.write_eof()
    return response


async def say_goodbye(app: web.Application) -> None:
    for socket in open_ones:
        if not socket.closed:
            await socket.send_str("the last words")
            await socket.close()


open_ones: set[web.WebSocketResponse] = set()
app = web.Application()
if "PATIENT" in os.environ:
    app.on_shutdown.append(say_goodbye)
else:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
app.add_routes([web.get("/ready", ready), web.get("/v1/realtime", echo), web.post("/events", events)])
patient = "PATIENT" in os.environ
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, handle_signals=patient)
