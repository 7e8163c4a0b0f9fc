"""A file that a request names by its URL: read onto disk within bounds, and from nowhere inside the network.

A name is resolved once for each hop, and the connection goes to an address that was checked: a name that
changes its address in between (DNS rebinding) gains nothing. No proxy of the environment's is used.
"""

import asyncio
import base64
import logging
import socket
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO
from urllib.parse import unquote_to_bytes

import httpcore2
from httpx2 import URL, InvalidURL
from starlette.concurrency import run_in_threadpool

from stt_core.errors import BadRequest, TooLarge
from stt_core.fetch.addresses import NONE, PORTS, Hosts, address, allowed
from stt_core.fetch.connect import Answer, answered

log = logging.getLogger("stt")

LONGEST = 8000
"""Characters of a URL: more than servers take."""
REDIRECTS = 5
ADDRESSES = 4
"""So many of a name's addresses are tried."""
DEFAULT_PORTS = {"http": 80, "https": 443}

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, for a connection to a port. Raises OSError."""


async def resolved(name: str, port: int) -> list[str]:
    """As the system resolves names."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Limits:
    """size: bytes of the file. Seconds to connect to one address, between two parts, and for the whole."""

    size: int
    connect: float = 10
    idle: float = 30
    whole: float = 300


class Unfetched(BadRequest):
    """The file cannot be had; `again` says that it may be had a moment later."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        headers = {"x-should-retry": "true"} if again else {}
        super().__init__(message, param="url", code="invalid_url", headers=headers)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches files.

    open: hosts that may be fetched from at private addresses too, and at any port.
    insecure: hosts whose certificates are taken as they come. authority: PEM of who is believed beside the usual
        authorities.
    """

    limits: Limits
    open: Hosts = NONE
    insecure: Hosts = NONE
    resolve: Resolver = resolved
    authority: str = ""

    async def file(self, text: str) -> IO[bytes]:
        """The file behind a URL; the caller closes it.

        Raises Unfetched and TooLarge. Of a URL, their messages and the log tell the scheme and the host
        alone: users, paths and queries may be secrets.
        """
        url = parsed(text)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.limits.whole):
                file = await self._followed(url)
        except TimeoutError:
            raise Unfetched(f"{shown(url)} did not send its file within {self.limits.whole:g} s.") from None
        log.info("fetched %d bytes from %s in %.1f s", file.tell(), shown(url), time.monotonic() - started)
        return file

    async def _followed(self, first: URL) -> IO[bytes]:
        url = first
        for _ in range(REDIRECTS + 1):
            addresses = await reachable(url, self.open, self.resolve, self.limits.connect)
            try:
                async with answered(
                    url,
                    addresses,
                    _headers(url),
                    connect=self.limits.connect,
                    idle=self.limits.idle,
                    insecure=trusted(url, addresses, self.insecure),
                    authority=self.authority,
                ) as answer:
                    headers = {name.lower(): value for name, value in answer.headers}
                    location = headers.get(b"location")
                    if location is None or answer.status not in (301, 302, 303, 307, 308):
                        _check(url, answer.status, headers, self.limits.size)
                        return await self._saved(answer)
            except httpcore2.TimeoutException:
                raise Unfetched(f"{shown(url)} does not answer in time.", again=True) from None
            except httpcore2.ConnectError as error:
                raise _unconnected(url, error) from None
            except (httpcore2.NetworkError, httpcore2.ProtocolError):
                raise Unfetched(f"{shown(url)} broke off its answer.", again=True) from None
            url = _joined(url, location)
        raise Unfetched(f"{shown(first)} redirects more than {REDIRECTS} times.")

    async def _saved(self, answer: Answer) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            async for part in answer.aiter_stream():
                if file.tell() + len(part) > self.limits.size:
                    raise TooLarge(self.limits.size, param="url")
                await run_in_threadpool(file.write, part)
        except BaseException:
            file.close()
            raise
        return file


async def reachable(url: URL, opened: Hosts, resolve: Resolver, seconds: float) -> list[str]:
    """Those of the host's addresses that may be connected to. Raises Unfetched.

    opened: hosts that may be connected to at private addresses too. seconds: that their names may take.
    """
    name, port = _name(url), url.port or DEFAULT_PORTS[url.scheme]
    try:
        async with asyncio.timeout(seconds):
            found = await resolve(name, port)
    except (OSError, UnicodeError):
        raise Unfetched(f"The host of {shown(url)} cannot be found.", again=True) from None
    kept = allowed(name, port, found, opened)
    if not kept:
        ports = ", ".join(map(str, sorted(PORTS)))
        raise Unfetched(
            f"{shown(url)} is not fetched: its address is not public, or its port none of {ports}. "
            "The operator can allow the host with STT_URL_ALLOW."
        )
    return kept[:ADDRESSES]


def trusted(url: URL, addresses: Sequence[str], insecure: Hosts) -> bool:
    """Whether the host's certificate is taken as it comes."""
    return all(insecure.hold(_name(url), address(one)) for one in addresses)


def parsed(text: str) -> URL:
    """An http:// or https:// URL. Raises Unfetched."""
    if len(text) > LONGEST:
        raise Unfetched(f"url is longer than {LONGEST} characters.")
    try:
        url = URL(text.strip())
    except (InvalidURL, ValueError):
        raise Unfetched("url is not a URL; https://example.org/talk.mp3 is one.") from None
    return _web(url)


def _joined(url: URL, location: bytes) -> URL:
    try:
        return _web(url.join(location.decode("utf-8", "replace")[:LONGEST]))
    except (InvalidURL, ValueError):
        raise Unfetched(f"{shown(url)} redirects to what is no URL.") from None


def _web(url: URL) -> URL:
    if url.scheme not in DEFAULT_PORTS or not url.host or url.port not in (None, *range(1, 65536)):
        raise Unfetched("url must be a file's http:// or https:// URL, and so must what it redirects to.")
    return url


def _name(url: URL) -> str:
    """The host, in ASCII."""
    return url.raw_host.decode()


def shown(url: URL) -> str:
    """Its scheme and host: users, paths and queries may be secrets."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _headers(url: URL) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"Host", url.netloc),
        (b"User-Agent", b"Greffier"),
        (b"Accept", b"audio/*, video/*, */*;q=0.5"),
        (b"Accept-Encoding", b"identity"),  # nothing that a few bytes could blow up
    ]
    return headers + credentials(url)


def credentials(url: URL) -> list[tuple[bytes, bytes]]:
    """The header for the user and password that a URL carries."""
    if not url.userinfo:
        return []
    user, _, password = url.userinfo.partition(b":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return [(b"Authorization", b"Basic " + base64.b64encode(pair))]


def _check(url: URL, status: int, headers: Mapping[bytes, bytes], limit: int) -> None:
    """Raises what the head of an answer tells already."""
    if status != HTTPStatus.OK:
        again = status in (408, 425, 429) or status >= 500
        raise Unfetched(f"{shown(url)} answered with status {status} in place of a file.", again=again)
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        raise Unfetched(f"{shown(url)} sends its file compressed, though asked not to.")
    if headers.get(b"content-type", b"").lower().startswith((b"text/html", b"application/xhtml")):
        raise Unfetched(f"{shown(url)} answered with a web page; url must be the file's own.")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise TooLarge(limit, param="url")


def _unconnected(url: URL, error: httpcore2.ConnectError) -> Unfetched:
    reason = error.__context__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unfetched(
            f"{shown(url)} has a certificate that is not to be trusted: {reason.verify_message}. "
            "The operator can name who vouches for it with STT_URL_AUTHORITY, or accept it with STT_URL_INSECURE."
        )
    return Unfetched(f"{shown(url)} cannot be reached.", again=True)
