"""Hubs of models on loopback."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    def send(self, status: int, content: bytes = b"{}", code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving(folder: Path, asked: list[str]) -> Iterator[str]:
    """The address of a hub that serves files of this user's cache. Every path that is asked for goes to `asked`; its
    last part names a file of `folder`."""

    class Handler(_Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            file = folder / self.path.rsplit("/", 1)[1]
            if not file.is_file():
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()
            with file.open("rb") as content:
                shutil.copyfileobj(content, self.wfile)

    with _running(Handler) as address:
        yield address


@contextmanager
def gated(folder: Path, accounts: dict[str, bool]) -> Iterator[str]:
    """The address of a hub whose models, `folder`/<owner>/<name>/…, are all gated. `accounts`: token -> whether it has
    accepted the terms; it may be changed as the hub runs. Without a token, or with one that nobody has, it answers 401
    as the real one does, and 403 where the terms are not accepted."""

    class Handler(_Handler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/")
            token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            if token and token not in accounts:
                self.send(401)
            elif path.startswith("api/models/"):
                _, _, owner, name, *rest = path.split("/")
                self.about(folder / owner / name, rest, token)
            else:
                owner, name, _, _, *file = path.split("/")
                self.file(folder / owner / name / "/".join(file), token)

        def about(self, model: Path, rest: list[str], token: str) -> None:
            if not model.is_dir():
                self.send(401 if not token else 404, code="RepoNotFound")
            elif rest == ["auth-check"]:
                self.file(next(path for path in model.rglob("*") if path.is_file()), token)
            else:
                files = sorted(path for path in model.rglob("*") if path.is_file())
                siblings = [{"rfilename": str(f.relative_to(model)), "size": f.stat().st_size} for f in files]
                self.send(200, json.dumps({"gated": "auto", "sha": COMMIT, "siblings": siblings}).encode())

        def file(self, path: Path, token: str) -> None:
            if not accounts.get(token):
                self.send(403 if token else 401, code="GatedRepo")
            elif path.is_file():
                self.send(200, path.read_bytes())
            else:
                self.send(404, code="EntryNotFound")

    with _running(Handler) as address:
        yield address


@contextmanager
def _running(handler: type[_Handler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
