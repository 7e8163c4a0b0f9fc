"""One HTTP answer, from an address that was chosen before."""

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpcore2
from httpx2 import URL

Answer = httpcore2.Response


@asynccontextmanager
async def answered(
    url: URL,
    addresses: Sequence[str],
    headers: Sequence[tuple[bytes, bytes]],
    *,
    connect: float,
    idle: float,
    insecure: bool,
    authority: str = "",
    method: str = "GET",
    content: bytes | None = None,
) -> AsyncIterator[Answer]:
    """The head of the answer; its body is read inside. Raises httpcore2's exceptions.

    addresses: are tried in order; the name in the URL is not resolved again.
    connect, idle: seconds to connect to one address, and between two parts of the answer.
    insecure: a certificate is taken as it comes. authority: PEM of who is believed beside the usual authorities.
    """
    target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    extensions = {
        "timeout": {"connect": connect, "read": idle, "write": idle},
        "sni_hostname": url.raw_host.decode().rstrip("."),
    }
    context = _unchecked() if insecure else _believing(authority) if authority else None
    pool = httpcore2.AsyncConnectionPool(context, network_backend=_To(addresses))
    async with pool, pool.stream(method, target, headers=headers, content=content, extensions=extensions) as answer:
        yield answer


class _To(httpcore2.AsyncNetworkBackend):
    """Connects to the given addresses, whatever host it is asked for."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        *others, last = self._addresses
        for address in others:
            try:
                return await self._inner.connect_tcp(address, port, timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, timeout)


@cache
def _believing(authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=authority)
    return context


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
