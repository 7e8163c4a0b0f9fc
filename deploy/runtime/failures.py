"""A call to a service that failed: in a sentence, with what the service itself said last."""

import json
import re
import time

import httpx2

from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import HOST, KitError
from deploy.program_output import error_of, shortened
from deploy.runtime import control, logs
from deploy.transport.targets import Target

LOG_LINES = 500
"""So far back a service's log is searched for a request that has just failed."""
NOTICE_SECONDS = 2.0
"""A caller learns that a service went away a little before autostart knows why."""

_NOISE = re.compile(r"^\[(Errno -?\d+|SSL: \w+|SSL)\] | \(_ssl\.c:\d+\)$")


def refused(host: HostStack, target: Target, service: ServiceStack, answer: httpx2.Response) -> KitError:
    """What an answer says that is an error."""
    status, said = answer.status_code, words(answer.status_code, answer.text)
    if status == 401:
        return KitError(said, "`greffier users add NAME` creates a key.", code=HOST)
    if status < 500:
        return KitError(said, code=HOST)
    request = answer.headers.get("x-request-id", "")
    why = _logged(host, target, service, request) or _last(host, target, service)
    message = said if why in said else f"{service.name} failed (status {status}): {why}."
    return KitError(message, f"`greffier logs {service.name}` shows more.", code=HOST)


def broken(host: HostStack, target: Target, service: ServiceStack, error: BaseException) -> KitError:
    """What became of a call that got no answer, or not the whole of one."""
    url, why = host.base_url(service), reason(error)
    if isinstance(error, httpx2.ProxyError):
        hint = "HTTPS_PROXY sets the proxy, NO_PROXY the hosts to reach without it."
        return KitError(f"The proxy does not connect to {url}: {why}.", hint, code=HOST)
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        shows = (
            "`greffier certs status` shows the host's certificate."
            if "certificate" in why
            else "`greffier status` shows what is running."
        )
        return KitError(f"{url} cannot be reached: {why}.", shows, code=HOST)
    last = _last(host, target, service)
    said = f" {service.name}: {last}." if last else ""
    return KitError(
        f"{url} did not finish its answer: {why}.{said}", f"`greffier logs {service.name}` shows more.", code=HOST
    )


def strange(host: HostStack, service: ServiceStack, answer: httpx2.Response, wanted: str) -> KitError:
    """What answers in place of the service, with something other than `wanted`, such as `a transcript`."""
    kind = answer.headers.get("content-type", "something without a content type")
    message = f"{host.base_url(service)} answered with {kind}, which is not {wanted}: something else answers there."
    return KitError(message, "Is there a proxy or another server in front of the host?", code=HOST)


def words(status: int, text: str) -> str:
    """An answer that is an error as a sentence: the service's own, or what can be said of another one."""
    try:
        return f"{json.loads(text)['error']['message']} (status {status})"
    except (ValueError, KeyError, TypeError):
        page = re.search(r"<title>\s*(.*?)\s*</title>", text, re.IGNORECASE | re.DOTALL)
        said = page[1] if page else "" if "<html" in text.lower() else text.strip()
        return f"The answer was status {status}" + (f": {shortened(' '.join(said.split()))}." if said else ".")


def reason(error: BaseException) -> str:
    """What went wrong on the way, without what only programs read."""
    if isinstance(error, httpx2.TimeoutException):
        return "it took too long"
    return _NOISE.sub("", _NOISE.sub("", str(error).strip())).rstrip(".") or type(error).__name__


def _logged(host: HostStack, target: Target, service: ServiceStack, request: str) -> str:
    """Why a request failed, as the service logged it."""
    try:
        return error_of(logs.tail(host, target, service.name, LOG_LINES), request) if request else ""
    except KitError:
        return ""


def _last(host: HostStack, target: Target, service: ServiceStack) -> str:
    """Why a service went away, as autostart knows it; nothing where it did not."""
    until = time.monotonic() + NOTICE_SECONDS
    try:
        while True:
            why = control.states(host, target).get(service.name, {}).get("lastError") or ""
            if why or time.monotonic() > until:
                return str(why)
            time.sleep(0.1)
    except KitError:
        return ""
