"""Who is called: a service of the inventory, or whatever answers at an address that is given."""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.rollout import verify
from deploy.runtime import failures
from deploy.transport.targets import Target
from deploy.workspace import Workspace
from deploy.workspace import service as find_service

ANY_MODEL = "whisper-1"
"""The name that means a service's first model, whichever that is."""
URL_KEY = re.compile(r"(/k/)[A-Za-z0-9]{32,}(?=/|$)")
"""A key in an address (`users add --url-key`), which no message repeats."""
PATIENCE = 1200.0
"""Seconds for an answer of a service of which nothing else is known."""


@dataclass(frozen=True)
class Callee:
    """`refused`, `broken` and `strange` say what became of a call that failed; `strange` with what was wanted."""

    name: str
    base_url: str
    model: str
    timeout: httpx2.Timeout
    client: Callable[[], httpx2.Client]
    refused: Callable[[httpx2.Response], KitError]
    broken: Callable[[BaseException], KitError]
    strange: Callable[[httpx2.Response, str], KitError]
    hint: str


def of(space: Workspace, service: str | None) -> Callee:
    """A service of the inventory. Raises KitError."""
    host, chosen = find_service(space, service)
    if not chosen.own:
        raise KitError(f"{chosen.name} is a container; it does not transcribe.", code=INVENTORY)
    return called(host, space.target(host), chosen)


def called(host: HostStack, target: Target, chosen: ServiceStack) -> Callee:
    """A service of a host."""
    return Callee(
        chosen.name,
        host.base_url(chosen),
        chosen.model,
        httpx2.Timeout(30, read=chosen.read_timeout + chosen.hold, write=chosen.hold + 60),
        lambda: client(host, target),
        lambda answer: failures.refused(host, target, chosen, answer),
        lambda error: failures.broken(host, target, chosen, error),
        lambda answer, wanted: failures.strange(host, chosen, answer, wanted),
        f"`greffier logs {chosen.name}` shows more.",
    )


def at(url: str) -> Callee:
    """Whatever answers there, as an OpenAI client calls it: no inventory is needed. Raises KitError."""
    base = url.rstrip("/")
    try:
        parsed = httpx2.URL(base)
    except httpx2.InvalidURL:
        parsed = None
    if not parsed or parsed.scheme not in ("https", "http") or not parsed.host or parsed.userinfo:
        hint = "Put the key into GREFFIER_API_KEY." if parsed and parsed.userinfo else ""
        said = "contains a password" if hint else f"is not a URL: {url!r}"
        raise KitError(f"--base-url {said}.", hint or "Use one such as https://whisper.example.org/v1.", code=INVENTORY)

    shown = URL_KEY.sub(r"\1***", base)

    def refused(answer: httpx2.Response) -> KitError:
        hint = "Check GREFFIER_API_KEY." if answer.status_code == 401 else ""
        if answer.status_code in (404, 405) and not base.endswith("/v1"):
            hint = f"Did you mean {shown}/v1?"
        return KitError(failures.words(answer.status_code, answer.text), hint, code=HOST)

    def broken(error: BaseException) -> KitError:
        why = failures.reason(error)
        hint = "If the host has its own certificate authority, set SSL_CERT_FILE to its certificate."
        return KitError(f"{shown} did not finish its answer: {why}.", hint if "certif" in why else "", code=HOST)

    def strange(answer: httpx2.Response, wanted: str) -> KitError:
        kind = answer.headers.get("content-type", "something without a content type")
        return KitError(f"{shown} answered with {kind}, which is not {wanted}.", "Check the address.", code=HOST)

    timeout = httpx2.Timeout(30, read=PATIENCE, write=PATIENCE)
    return Callee(
        shown, base, ANY_MODEL, timeout, lambda: connected(ssl.create_default_context()), refused, broken, strange, ""
    )


def client(host: HostStack, target: Target) -> httpx2.Client:
    """As any client of this host is, with whom it has to trust. Raises KitError."""
    # No proxy leads to this very machine.
    return connected(verify.trust(host, target), direct=host.runtime == "process")


def connected(trusted: ssl.SSLContext, *, direct: bool = False) -> httpx2.Client:
    """A client that goes by the environment's proxy. Raises KitError."""
    try:
        return httpx2.Client(verify=trusted, trust_env=not direct)
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        message = f"The proxy from the environment cannot be used: {failures.reason(error)}."
        raise KitError(message, "Set HTTPS_PROXY or ALL_PROXY to http://HOST:PORT.", code=HOST) from None
