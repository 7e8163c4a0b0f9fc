"""Webhooks on their way: what is due is sent, by a thread and an event loop of its own."""

import asyncio
import logging
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address

import httpcore2
from httpx2 import URL
from starlette.concurrency import run_in_threadpool

from stt_core.errors import BadRequest
from stt_core.fetch import fetcher
from stt_core.fetch.addresses import NONE, Hosts
from stt_core.fetch.connect import answered
from stt_core.jobs import rows
from stt_core.jobs.outbox import Outbox, Webhook
from stt_core.jobs.signature import Secret

log = logging.getLogger("stt")

TOGETHER, TO_ONE_HOST = 8, 2
"""Messages on their way at once, and of those to one host: a slow receiver holds up nobody else."""
LOOK_SECONDS = 5.0
ANSWER_BYTES = 65_536
LONGEST_WAIT = 6 * 3600.0
"""How long a receiver may ask us to wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to connect, between two parts of the answer, and for one try."""

    connect: float = 10
    idle: float = 15
    whole: float = 30


def checked(text: str) -> str:
    """A callback's URL as it is taken with a job. Raises BadRequest."""
    try:
        url = fetcher.parsed(text)
        host = ip_address(url.host)
    except fetcher.Unfetched as error:
        raise BadRequest(
            error.message.replace("url ", "callback_url ", 1), param="callback_url", code="invalid_url"
        ) from None
    except ValueError:
        return text  # a name; what it means is looked at with each try
    if host.is_unspecified or host.is_multicast:
        raise BadRequest("callback_url names an address that nobody has.", param="callback_url", code="invalid_url")
    return text


class Delivery:
    """Sends what an outbox holds. secret: None sends without a signature.

    opened: hosts that may be called at private addresses too. insecure: whose certificates are taken as they come.
    authority: PEM of who is believed beside the usual authorities.
    """

    def __init__(
        self,
        outbox: Outbox,
        secret: Secret | None,
        opened: Hosts = NONE,
        insecure: Hosts = NONE,
        limits: Limits = Limits(),
        resolve: fetcher.Resolver = fetcher.resolved,
        authority: str = "",
    ) -> None:
        self._authority = authority
        self._outbox = outbox
        self._secret = secret
        self._opened = opened
        self._insecure = insecure
        self._limits = limits
        self._resolve = resolve
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something is to be sent. From any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)

    def stop(self) -> None:
        """End: what is on its way is sent again by whoever comes next, with the same id."""
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def _main(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._serve())
            except Exception:
                log.exception("webhooks cannot be sent; trying again")
                self._stopping.wait(LOOK_SECONDS)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()
        hosts: dict[str, asyncio.Semaphore] = {}
        waiting: Counter[str] = Counter()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            self._news.set()

        async def send(webhook: Webhook) -> None:
            host = _host(webhook.url)
            waiting[host] += 1
            try:
                async with hosts.setdefault(host, asyncio.Semaphore(TO_ONE_HOST)):
                    await self._send(webhook)
            finally:
                waiting[host] -= 1
                if not waiting[host]:
                    del waiting[host], hosts[host]

        try:
            while not self._stopping.is_set():
                self._news.clear()
                for webhook in await run_in_threadpool(self._outbox.claim, TOGETHER - len(running)):
                    task = asyncio.ensure_future(send(webhook))
                    running.add(task)
                    task.add_done_callback(ended)
                if len(running) >= TOGETHER:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=LOOK_SECONDS)
                else:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _send(self, webhook: Webhook) -> None:
        try:
            async with asyncio.timeout(self._limits.whole):
                status, after = await self._posted(webhook)
        except fetcher.Unfetched as error:
            await self._failed(webhook, error.message.replace("is not fetched", "is not called"))
        except TimeoutError:
            await self._failed(webhook, f"It did not answer within {self._limits.whole:g} s.")
        except httpcore2.TimeoutException:
            await self._failed(webhook, "It did not answer in time.")
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            await self._failed(webhook, f"It cannot be reached: {type(error).__name__}.")
        else:
            if 200 <= status < 300:
                await run_in_threadpool(self._outbox.delivered, webhook.id)
                log.info("webhook %s delivered to %s", webhook.id, _host(webhook.url))
            elif status == HTTPStatus.GONE:
                await self._failed(webhook, "It answered 410: it wants no more webhooks.", final=True)
            else:
                await self._failed(webhook, f"It answered with status {status}.", after=after)

    async def _posted(self, webhook: Webhook) -> tuple[int, float | None]:
        """The answer's status, and the seconds that it asks to wait."""
        url, body = fetcher.parsed(webhook.url), webhook.body.encode()
        addresses = await fetcher.reachable(url, self._opened, self._resolve, self._limits.connect)
        headers = {
            "Host": url.netloc.decode(),
            "User-Agent": "Greffier",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "webhook-id": webhook.id,
        }
        if self._secret:
            headers |= self._secret.headers(webhook.id, int(rows.now()), body)
        async with answered(
            url,
            addresses,
            [*((name.encode(), value.encode()) for name, value in headers.items()), *fetcher.credentials(url)],
            connect=self._limits.connect,
            idle=self._limits.idle,
            insecure=fetcher.trusted(url, addresses, self._insecure),
            authority=self._authority,
            method="POST",
            content=body,
        ) as answer:
            size = 0
            async for part in answer.aiter_stream():
                size += len(part)
                if size > ANSWER_BYTES:
                    break  # whatever it has to say, the status says enough
            after = dict((name.lower(), value) for name, value in answer.headers).get(b"retry-after", b"")
            return answer.status, min(LONGEST_WAIT, float(after)) if after.isdigit() else None

    async def _failed(self, webhook: Webhook, error: str, *, after: float | None = None, final: bool = False) -> None:
        log.warning("webhook %s to %s failed: %s", webhook.id, _host(webhook.url), error)
        await run_in_threadpool(lambda: self._outbox.failed(webhook, error, after=after, final=final))


def _host(text: str) -> str:
    """The scheme and host of a URL: the rest may hold secrets."""
    return fetcher.shown(URL(text))
