"""Whether what was deployed answers, asked on the host by the names that clients use."""

import ssl
import time

from deploy.errors import HOST, KitError
from deploy.stack import HostStack
from deploy.targets import Target

SECONDS = 10.0


def answers(host: HostStack, target: Target, hostname: str) -> None:
    """Ask an awake service through autostart. Raises KitError with what it said instead."""
    # One of a former release may be unknown to the inventory; that it lives is all that can be asked then.
    paths = [service.kind.manifest.probe for service in host.services if service.hostname == hostname]
    path = paths[0] if paths else "/health"
    status, text = target.fetch(host.layout.autostart_port, hostname, path, SECONDS)
    if status != 200:
        raise KitError(f"{hostname} answers {path} with status {status}.", output=text[:2000], code=HOST)


def trust(host: HostStack, target: Target) -> ssl.SSLContext:
    """TLS as a client of this host needs it: the internal authority is trusted in addition. Raises KitError."""
    context = ssl.create_default_context()
    if host.tls.mode == "internal":
        authority = target.read(host.layout.authority)
        if authority is None:
            raise KitError(f"{host.name} has no certificate yet.", "`deploy` makes one.", code=HOST)
        context.load_verify_locations(cadata=authority.decode())
    return context


def guarded(host: HostStack, target: Target) -> None:
    """Every name must answer over HTTPS, and ask for a password. Raises KitError."""
    until = time.monotonic() + SECONDS
    for name in host.names:
        while (problem := _unguarded(host, target, name)) is not None:
            if time.monotonic() > until:
                raise problem
            time.sleep(0.1)  # a reload returns before the new workers listen


def _unguarded(host: HostStack, target: Target, name: str) -> KitError | None:
    try:
        status, text = target.fetch(host.layout.https_port, name, "/v1/models", SECONDS, tls=True)
    except KitError as error:
        return error
    if status == 401:
        return None
    return KitError(f"https://{name} answers a stranger with status {status}, not 401.", output=text[:2000])
