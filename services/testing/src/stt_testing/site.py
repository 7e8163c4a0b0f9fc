"""A web server on this machine, for services to fetch from."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

Page = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """port: where it listens. asked: the paths, and the headers in lower case, of the requests it had.

    closed: set when the site ends; pages that never answer wait for it.
    """

    port: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)


def page(content: bytes = b"", status: int = 200, **headers: str) -> Page:
    """A whole answer; of a header's name, _ stands for -."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"content_length": str(len(content)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return answer


@contextmanager
def site(
    pages: Mapping[str, Page], host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> Iterator[Site]:
    """Serves pages by their paths, without the query."""
    running = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            running.asked.append((self.path, headers))
            try:
                pages[self.path.partition("?")[0]](self)
            except OSError:
                self.close_connection = True  # whoever asked has left

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that does not like the certificate

    with Server((host, port), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        running.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield running
        finally:
            running.closed.set()
            server.shutdown()
            thread.join()
