"""Whether what was deployed answers, asked on the host by the names that clients use."""

import ssl
import time

from deploy.certificates import issuing
from deploy.config.stack import HostStack
from deploy.errors import HOST, KitError
from deploy.render import units
from deploy.render.manifest import Manifest, ServiceManifest
from deploy.runtime import control, failures
from deploy.transport.targets import Target

SECONDS = 10.0
NOBODYS_KEY = "/k/" + 32 * "0"
"""Below it a password is asked of everybody: also where `open_to` lets in whoever asks from here."""


def answers(host: HostStack, target: Target, service: ServiceManifest) -> None:
    """Ask an awake service through autostart. Raises KitError with what it said instead."""
    # Of a former release it may be another service than the inventory's; that it lives is all that can be asked then.
    hostname = service.hostname
    own = [wanted.paths.probe for wanted in host.services if wanted.hostname == hostname and wanted.own]
    path = own[0] if own else service.health_path
    status, text = target.fetch(host.layout.autostart_port, hostname, path, SECONDS)
    if not 200 <= status < 300:
        raise KitError(f"{hostname} did not answer {path} as expected: {failures.words(status, text)}", code=HOST)


def trust(host: HostStack, target: Target) -> ssl.SSLContext:
    """TLS as a client of this host needs it: the internal authority is trusted in addition. Raises KitError."""
    context = ssl.create_default_context()
    if host.tls.mode == "internal":
        authority = target.read(host.layout.authority)
        if authority is None:
            raise KitError(f"{host.name} has no certificate yet.", "Run `greffier deploy` to issue one.", code=HOST)
        try:
            context.load_verify_locations(cadata=authority.decode())
        except (ssl.SSLError, ValueError):
            raise issuing.damaged(host.layout) from None
    return context


def guarded(host: HostStack, target: Target) -> None:
    """Every name must answer over HTTPS, and ask for a password. Raises KitError."""
    until = time.monotonic() + SECONDS
    opened = {service.hostname for service in host.services if service.open_to}
    for name in host.names:
        path = f"{NOBODYS_KEY if name in opened else ''}/v1/models"
        while (problem := _unguarded(host, target, name, path)) is not None:
            if time.monotonic() > until:
                raise problem
            time.sleep(0.1)  # a reload returns before the new workers listen


def listening(host: HostStack, target: Target, services: Manifest) -> None:
    """What else services listen on must be listened on. Raises KitError."""
    wanted = {name: list(service.tcp) for name, service in services.items() if service.tcp is not None}
    until = time.monotonic() + SECONDS
    while wanted:
        states = {name: entry for name, entry in control.states(host, target).items() if name in wanted}
        wrong = [sentence for entry in states.values() for sentence in control.listen_errors(entry)]
        # A reload may return before autostart has read its configuration.
        there = {name: [one["listen"] for one in entry.get("tcp", ())] for name, entry in states.items()}
        if there == wanted and not wrong:
            return
        if time.monotonic() > until:
            hint = "`wyoming` needs an address of the host and a free port there."
            raise KitError(f"{wrong[0]}." if wrong else "autostart did not load its configuration.", hint, code=HOST)
        time.sleep(0.1)


def open_ways(host: HostStack, target: Target) -> list[str]:
    """A sentence for what lets neighbours of the host reach services past nginx; nothing where nothing does."""
    if host.runtime == "process":
        return []
    if target.run(("systemctl", "is-active", units.GUARD), check=False).strip() == "active":
        return []
    said = f"check `systemctl status {units.GUARD}` on the host"
    return [f"{host.name} does not block direct access to its containers: {said}."]


def _unguarded(host: HostStack, target: Target, name: str, path: str) -> KitError | None:
    try:
        status, text = target.fetch(host.layout.https_port, name, path, SECONDS, tls=True)
    except KitError as error:
        return error
    if status == 401:
        return None
    said = failures.words(status, text)
    return KitError(f"https://{name} does not ask for a password (expected status 401): {said}")
