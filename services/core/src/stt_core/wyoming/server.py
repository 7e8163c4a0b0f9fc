"""The port: a thread of its own beside the web server, for as long as that serves."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

from stt_core.errors import Busy
from stt_core.wyoming.conversation import Conversation, House
from stt_core.wyoming.events import LINE_BYTES

log = logging.getLogger("stt")

CONNECTIONS = 64
"""At once. Few of them speak: whoever does has a place in the scheduler's queue."""
FLUSH_SECONDS = 2.0
"""What clients get in the end to read answers that are there; before that, the web server has waited for all
that was accepted."""
LOOK = 0.05
"""Seconds between looks at whether the model is loaded."""


@contextlib.contextmanager
def serving(listener: socket.socket, house: House) -> Iterator[None]:
    """Answer on a listening socket."""
    server = _Server(listener, house)
    thread = threading.Thread(target=asyncio.run, args=[server.run()], name="wyoming", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()
        listener.close()


class _Server:
    def __init__(self, listener: socket.socket, house: House) -> None:
        self._listener = listener
        self._house = house
        self._open: dict[asyncio.Task[None], Conversation] = {}
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._done: asyncio.Event

    async def run(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        self._begun.set()
        # Who calls before the model is loaded waits in the socket's queue: what it can do is not known yet.
        while not self._house.scheduler.ready and not self._done.is_set():
            await self._wait(LOOK)
        if not self._done.is_set():
            server = await asyncio.start_server(self._serve, sock=self._listener, limit=LINE_BYTES)
            await self._done.wait()
            server.close()
            await self._end()

    def stop(self) -> None:
        """From another thread."""
        self._begun.wait()
        self._loop.call_soon_threadsafe(self._done.set)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), seconds)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(self._house, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= CONNECTIONS:
            await conversation.refuse(Busy(f"{CONNECTIONS} clients are connected already.", retry_after=5))
            return
        self._open[task] = conversation
        try:
            await conversation.run()
        finally:
            del self._open[task]

    async def _end(self) -> None:
        for task, conversation in list(self._open.items()):
            conversation.last = True
            if not conversation.busy:
                task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=FLUSH_SECONDS)
            for task in late:
                task.cancel()
