"""An ssh ProxyCommand that has every byte arrive late: `python delay.py HOST PORT SECONDS`, the seconds each way."""

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable

CHUNK = 1 << 16


def late(read: Callable[[], bytes], write: Callable[[bytes], object], seconds: float) -> None:
    """Pass on what is read, in order, each part `seconds` after it came; returns when the end has passed too."""
    on_the_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def listen() -> None:
        part = b"."
        while part:
            try:
                part = read()
            except OSError:
                part = b""
            on_the_way.put((time.monotonic() + seconds, part))

    threading.Thread(target=listen, daemon=True).start()
    while True:
        due, part = on_the_way.get()
        time.sleep(max(0.0, due - time.monotonic()))
        if not part:
            return
        write(part)


def main(host: str, port: str, seconds: str) -> None:
    one_way = float(seconds)
    time.sleep(2 * one_way)  # TCP's own way there and back
    with socket.create_connection((host, int(port))) as there:
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def outward() -> None:
            late(lambda: os.read(0, CHUNK), there.sendall, one_way)
            there.shutdown(socket.SHUT_WR)

        threading.Thread(target=outward, daemon=True).start()
        late(lambda: there.recv(CHUNK), lambda part: os.write(1, part), one_way)


if __name__ == "__main__":
    main(*sys.argv[1:])
