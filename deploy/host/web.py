"""Servers that may be slow, wrong, hostile or not there at all."""

from __future__ import annotations

import http.client
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Optional

from deploy.host.store import need_space, sha256, size_of
from deploy.host.wanted import MAX_FILE, Failure, File, shown

CHUNK = 1 << 18  # bytes between two reports of progress
MAX_DOCUMENT = 32 << 20  # bytes of a listing of files
STALL_SECONDS = 10.0  # without a byte, on a connection that had worked
ATTEMPTS = 3  # in a row that bring nothing new

Progress = Callable[[int, Optional[int]], None]


class Unreachable(Failure):
    """The server did not answer, or cannot do so now; asking it for another file would only cost time."""


class Refused(Failure):
    """The server answered with an error status; `code` is the hub's own word for it, or empty."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(address)
    return parts.scheme, parts.hostname, parts.port


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, never from https to http, and gives credentials to their own origin alone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if origin(req.full_url)[0] == "https" and origin(newurl)[0] != "https":
            raise urllib.error.URLError("it redirects to an address without TLS")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        credentials = req.get_header("Authorization")
        if following is not None and credentials and origin(newurl) == origin(req.full_url):
            following.add_unredirected_header("Authorization", credentials)
        return following


def opener() -> urllib.request.OpenerDirector:
    """http and https alone (no file:, no ftp:), with the environment's proxies and certificates."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director


def discard(late: Future[http.client.HTTPResponse]) -> None:
    if late.exception() is None:
        late.result().close()


@dataclass
class Server:
    """One base address, and whether it was found unreachable in this run: then every call fails at once."""

    address: str
    timeout: float
    authorization: str | None = None
    down: Unreachable | None = None
    director: urllib.request.OpenerDirector = field(default_factory=opener)

    def open(self, address: str, start: int = 0) -> http.client.HTTPResponse:
        """The response's head, from byte `start` where the server can. Raises Unreachable or Refused.

        Looking up a name, connecting to each of its addresses, TLS and redirects have no time limit in
        common: they run in a thread, and all of it together gets `timeout` seconds.
        """
        if self.down:
            raise self.down
        request = urllib.request.Request(address, headers={"Accept": "*/*", "User-Agent": "greffier"})
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self.authorization and origin(address) == origin(self.address):
            request.add_unredirected_header("Authorization", self.authorization)
        answer: Future[http.client.HTTPResponse] = Future()

        def ask() -> None:
            try:
                answer.set_result(self.director.open(request, timeout=STALL_SECONDS))
            except Exception as error:
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            return answer.result(self.timeout)
        except urllib.error.HTTPError as error:
            with error:
                if error.code < 500 and error.code != 429:
                    code = error.headers.get("X-Error-Code") or ""
                    raise Refused(f"{shown(address)} answered {error.code}", error.code, code) from None
                self.down = Unreachable(f"{shown(self.address)} answered {error.code} {error.reason}")
        except Late:  # before Python 3.11 a class of its own
            answer.add_done_callback(discard)
            self.down = Unreachable(f"{shown(self.address)} did not answer within {self.timeout:g} s")
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            self.down = Unreachable(f"{shown(self.address)} cannot be reached ({reason})")
        self.down.hint = "check the network; HTTPS_PROXY names a proxy, SSL_CERT_FILE certificate authorities"
        raise self.down

    def document(self, address: str) -> bytes:
        with self.open(address) as response:
            try:
                page = response.read(MAX_DOCUMENT + 1)
            except (OSError, http.client.HTTPException) as error:
                raise Failure(f"{shown(address)} broke off ({error})") from None
            if len(page) > MAX_DOCUMENT:
                raise Failure(f"{shown(address)} is longer than {MAX_DOCUMENT} bytes")
            return page

    def download(self, address: str, target: Path, want: File, progress: Progress) -> None:
        """Bring a file to `target`, on from what lies there. Raises Failure; wrong bytes do not stay."""
        idle = 0
        while idle < ATTEMPTS:
            have = size_of(target)
            if (have is not None and have == want.size) or self.transfer(address, target, have or 0, want, progress):
                if want.sha256 in (None, sha256(target)):
                    return
                target.unlink()
                if not have:
                    raise Failure(f"{shown(address)} does not match its SHA-256 digest")
            idle = 0 if (size_of(target) or 0) > (have or 0) else idle + 1
        self.down = Unreachable(f"{shown(address)} keeps breaking off", "try again later: the download resumes")
        raise self.down

    def transfer(self, address: str, target: Path, have: int, want: File, progress: Progress) -> bool:
        """What one connection brings, from byte `have` on where the server can; True when it is complete."""
        try:
            response = self.open(address, start=have)
        except Refused as error:
            if error.status != 416 or not have:
                raise
            target.unlink()  # what lies there is no beginning of this file
            return False
        with response:
            # A server that cannot go on from there answers 200 and begins at the beginning.
            done = have if response.headers.get("Content-Range", "").startswith(f"bytes {have}-") else 0
            length = response.headers.get("Content-Length", "")
            total = done + int(length) if length.isdecimal() else want.size
            most = MAX_FILE if total is None else total
            if want.size not in (None, most) or most > MAX_FILE:
                target.unlink(missing_ok=True)
                if not done:
                    raise Failure(f"{shown(address)} has {most} bytes, not the {want.size or MAX_FILE} expected")
                return False
            with target.open("ab" if done else "wb") as out:
                need_space(target.parent, 0 if total is None else total - done)
                progress(done, total)
                while done < most:
                    try:
                        chunk = response.read(min(CHUNK, most - done))
                    except (OSError, http.client.HTTPException):
                        return False
                    if not chunk:
                        break
                    out.write(chunk)
                    done += len(chunk)
                    progress(done, total)
                out.flush()
                os.fsync(out.fileno())
            return total in (None, done)
