"""nginx's files: what the hosts' names answer, who is let in, and where requests go."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from deploy import ROOT
from deploy.config.quantities import show_size
from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import INVENTORY, KitError
from deploy.types import Effect, File

if TYPE_CHECKING:
    from jinja2 import Environment

RELOAD = (Effect("reload", "nginx"),)
HTTP2 = (1, 25, 1)
"""The nginx that knows `http2 on` and warns of `listen … http2`, which is all that those before it know
(https://nginx.org/en/CHANGES)."""
SEND_TIMEOUT_FLOOR = 600
"""Seconds. A large upload is held while the service wakes or restarts: less than that may take would be a 504."""
HEADER_TIMEOUT = 15
"""Seconds for a request's head to arrive: a connection that says nothing takes a place from those that do."""
WORKER_CONNECTIONS = 4096
"""Connections of a worker: a client's takes two, and a third while its password is checked."""
USUAL_CONNECTIONS = 512
"""Where nothing is said of it (https://nginx.org/en/docs/ngx_core_module.html)."""
BUSY_FLOOR, BUSY_CEILING = 16, 65535
"""Requests and websockets of one address at once: as many as it may send in four seconds, within these. The ceiling is
nginx's own."""


@dataclass(frozen=True)
class Mount:
    """A service as nginx sees it; `path` is where the portal carries it, or empty."""

    number: int
    service: ServiceStack
    path: str
    limit: str
    send_timeout: int


@dataclass(frozen=True)
class Refusal:
    """One of nginx's own answers. `codes` are the statuses it stands for, `status` the one sent. `early`: it may come
    before there is an address, from where nginx finds no way to a named location."""

    status: int
    codes: tuple[int, ...]
    type: str
    code: str
    message: str
    retry: bool
    headers: tuple[tuple[str, str], ...] = ()
    early: bool = False

    @property
    def place(self) -> str:
        return f"/_greffier_{self.status}" if self.early else f"@greffier_{self.status}"

    @property
    def body(self) -> str:
        error = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        return json.dumps({"error": error}, ensure_ascii=False)


def _refusals() -> Iterator[Refusal]:
    final = (("x-should-retry", "false"),)
    wait = (("Retry-After", "1"),)
    bad = "invalid_request_error"
    yield Refusal(
        400, (400, 494), bad, "bad_request", "The request is malformed, or its headers are too large.",
        False, final, early=True,
    )  # fmt: skip
    # nginx adds the password check's own WWW-Authenticate.
    yield Refusal(
        401, (401,), bad, "invalid_api_key",
        "Missing or invalid API key or password. Send the key as `Authorization: Bearer …`, or a user and password.",
        False, final,
    )  # fmt: skip
    yield Refusal(
        403, (403,), bad, "forbidden",
        "Cross-origin request refused. `cors_origins` in the inventory lists the origins that are allowed.",
        False, final,
    )  # fmt: skip
    yield Refusal(404, (404,), bad, "not_found", "Nothing is served at this path.", False, final)
    yield Refusal(405, (405,), bad, "method_not_allowed", "This path does not accept that method.", False, final)
    yield Refusal(
        413, (413,), bad, "file_too_large",
        "The upload exceeds this service's limit of $greffier_limit (`upload_limit` in the inventory).",
        False, final,
    )  # fmt: skip
    yield Refusal(414, (414,), bad, "uri_too_long", "The URL is too long.", False, final, early=True)
    yield Refusal(412, (412,), bad, "precondition_failed", "A precondition of the request is not met.", False, final)
    yield Refusal(416, (416,), bad, "range_not_satisfiable", "The requested range does not exist.", False, final)
    yield Refusal(421, (421,), bad, "misdirected_request", "No service has this host name.", False, final)
    yield Refusal(
        429, (429,), "rate_limit_error", "rate_limit_exceeded",
        "Too many requests from your address. Wait a second, then try again.", True, wait,
    )  # fmt: skip
    yield Refusal(
        497, (497,), bad, "https_required", "This port requires HTTPS: use https:// in the URL.", False, final
    )
    yield Refusal(
        500, (500,), "server_error", "internal_error",
        "The server could not check the password. `greffier status` on the operator's machine shows more.", True, wait,
    )  # fmt: skip
    yield Refusal(
        501, (501,), bad, "not_implemented", "The only supported transfer encoding is chunked.", False, final,
        early=True,
    )  # fmt: skip
    yield Refusal(
        502, (502,), "server_error", "bad_gateway",
        "The service stopped while answering, or autostart is not running.", True, wait,
    )  # fmt: skip
    yield Refusal(503, (503,), "server_error", "unavailable", "The service is unavailable.", True, wait)
    yield Refusal(
        504, (504,), "server_error", "timeout",
        "The service did not answer in time (`read_timeout` in the inventory).", False, final,
    )  # fmt: skip
    yield Refusal(
        505, (505,), bad, "version_not_supported", "Only HTTP/1.0, HTTP/1.1 and HTTP/2 are supported.", False, final,
        early=True,
    )  # fmt: skip


def version(said: str) -> tuple[int, ...]:
    """The version in what `nginx -v` says, such as (1, 26, 3); empty where it says none."""
    found = re.search(r"\bnginx/(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def workers(said: str) -> str:
    """The group of nginx's workers, by its configuration, or else by how it was built, which `nginx -V` says; empty
    where neither says it."""
    found = re.search(r"^\s*user\s+([^\s;]+)(?:\s+([^\s;]+))?\s*;", said, re.MULTILINE)
    if found:  # of a user alone, the group of the same name
        return found[2] or found[1]
    built = re.search(r"\s--group=(\S+)", said) or re.search(r"\s--user=(\S+)", said)
    return built[1] if built else ""


def connections(dump: str) -> int:
    """How many connections a worker takes, by what `nginx -T` says."""
    found = re.search(r"(?:^|[{;])\s*worker_connections\s+(\d+)\s*;", dump, re.MULTILINE)
    return int(found[1]) if found else USUAL_CONNECTIONS


def quote(value: object) -> str:
    """An nginx string that holds exactly this value. Raises KitError where nginx has no way to write it."""
    text = str(value)
    if any(ord(c) < 32 or ord(c) == 127 for c in text) or "$" in text:
        raise KitError(
            f"nginx's configuration cannot contain {text!r}: it has a `$` or a control character.", code=INVENTORY
        )
    return _string(text)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@cache
def _environment() -> "Environment":
    # Not before there is something to render: a deploy is connecting by then.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Compiling the templates is nine tenths of a rendering, and several hosts share them.
    environment = Environment(
        loader=FileSystemLoader(ROOT / "nginx"), undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.filters |= {
        "q": quote,
        "q_pattern": _string,  # a regular expression of ours: its `$` is an anchor
        "q_text": _string,  # a sentence of ours: its `$greffier_limit` is a variable
        "re": re.escape,
    }
    return environment


def files(host: HostStack) -> Iterator[tuple[str, File]]:
    """Every nginx file of a host, with its path."""
    layout = host.layout
    mounts = [
        Mount(n, s, s.portal_path, show_size(s.upload_limit), max(SEND_TIMEOUT_FLOOR, s.hold + 60))
        for n, s in enumerate(host.services, 1)
    ]
    carried = [m for m in mounts if m.path]
    largest = max((mount.service.upload_limit for mount in carried), default=1 << 20)
    http2 = layout.nginx_version >= HTTP2
    values = {
        "layout": layout,
        "mounts": carried,
        "names": host.names,
        "portal": host.portal,
        "certificate": "greffier",
        "rate": host.request_rate,
        "burst": host.request_rate * 2,
        "busy": min(max(BUSY_FLOOR, host.request_rate * 4), BUSY_CEILING),
        "header_timeout": HEADER_TIMEOUT,
        "worker_connections": WORKER_CONNECTIONS,
        "largest": largest,
        "largest_said": show_size(largest),
        "trusted": list(_origins(host, own=True)),
        "cors": list(_origins(host, own=False)),
        "errors": list(_refusals()),
        "http2": http2,
        "secure": "ssl" if http2 else "ssl http2",
    }
    environment = _environment()

    def rendered(template: str, **more: object) -> File:
        text = environment.get_template(template).render(values | more)
        return File((text,), 0o644, layout.root, layout.root_group, RELOAD)

    for snippet in ("tls", "cors", "access", "errors", "proxy", "portal"):
        yield f"{layout.etc}/nginx/{snippet}.conf", rendered(f"snippets/{snippet}.conf.j2")
    if layout.nginx_main:
        yield layout.nginx_main, rendered("main.conf.j2")
    yield f"{layout.nginx_conf}/greffier-http.conf", rendered("http.conf.j2", mounts=mounts)
    if host.names:
        yield f"{layout.nginx_conf}/greffier-plain.conf", rendered("plain.conf.j2")
    if host.portal:
        yield f"{layout.nginx_conf}/greffier-portal.conf", rendered("portal.conf.j2")
        index = environment.get_template("portal.html.j2").render(
            domain=escape(host.domain), cards=[_card(host, mount) for mount in mounts]
        )
        yield f"{layout.etc}/portal/index.html", File((index,), 0o644, layout.root, layout.root_group)
    for mount in mounts:
        path = f"{layout.nginx_conf}/greffier-service-{mount.service.name}.conf"
        yield path, rendered("service.conf.j2", mount=mount)


def _origins(host: HostStack, *, own: bool) -> Iterator[tuple[str, str]]:
    """(server name, origin) pairs: those whose pages may change things, and those that CORS answers."""
    layout = host.layout
    portal = layout.origin(host.portal) if host.portal else ""
    for server in host.names:
        others = [*([portal] if portal and server != host.portal else []), *host.cors_origins]
        for origin in dict.fromkeys(([layout.origin(server)] if own else []) + others):
            yield server, origin


def _card(host: HostStack, mount: Mount) -> dict[str, str]:
    service = mount.service
    title = service.kind.manifest.title if service.own else service.name
    return {
        "title": escape(title),
        "summary": escape(service.kind.manifest.summary),
        "model": escape(service.model),
        "docs": f"{mount.path}/docs" if mount.path else "",
        "base": escape(host.base_url(service)),
        "own": escape(f"{host.layout.origin(service.hostname)}/v1"),
    }
