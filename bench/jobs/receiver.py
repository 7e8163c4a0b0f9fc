"""A receiver of webhooks, which keeps what it got: of each, its id and the job it tells of."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ids: dict[str, set[str]] = {}
        """By job: the ids under which its end was told."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}/told"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not body:  # the sender was killed in the middle of it
            return
        told = json.loads(body)
        self.server.ids.setdefault(told["data"]["job_id"], set()).add(self.headers["webhook-id"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Nothing to tell."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
