"""Whether what was deployed answers, asked the way that clients ask."""

import json
import ssl

import httpx2

from deploy.errors import HOST, KitError
from deploy.render import autostart
from deploy.stack import HostStack, ServiceStack
from deploy.types import Tree

SECONDS = 10.0


def release_of(tree: Tree, host: HostStack, service: ServiceStack) -> str:
    """Digest of everything the service is made of, as autostart knows it."""
    config = json.loads(tree[autostart.path(host)].text)
    return str(config["services"][service.hostname]["release"])


def answers(host: HostStack, service: ServiceStack) -> None:
    """Ask an awake service through autostart. Raises KitError with what it said instead."""
    url = f"http://127.0.0.1:{host.layout.autostart_port}{service.kind.manifest.probe}"
    try:
        response = httpx2.get(url, headers={"Host": service.hostname}, timeout=SECONDS, trust_env=False)
    except httpx2.HTTPError as error:
        raise KitError(f"{service.name} was started but does not answer: {error}", code=HOST) from None
    if response.status_code != 200:
        raise KitError(
            f"{service.name} answers {service.kind.manifest.probe} with status {response.status_code}.",
            output=response.text[:2000],
            code=HOST,
        )


def trust(host: HostStack) -> ssl.SSLContext:
    """TLS as a client of this host needs it: the internal authority is trusted in addition. Raises KitError."""
    context = ssl.create_default_context()
    if host.tls.mode == "internal":
        try:
            context.load_verify_locations(host.layout.authority)
        except FileNotFoundError:
            raise KitError(f"{host.name} has no certificate yet.", "`deploy` makes one.", code=HOST) from None
    return context


def guarded(host: HostStack) -> None:
    """Every name must answer over HTTPS, and ask for a password. Raises KitError."""
    context = trust(host)
    with httpx2.Client(verify=context, timeout=SECONDS, trust_env=False) as client:
        for name in host.names:
            url = f"https://127.0.0.1:{host.layout.https_port}/v1/models"
            try:
                response = client.get(url, headers={"Host": name}, extensions={"sni_hostname": name})
            except httpx2.HTTPError as error:
                raise KitError(f"https://{name} does not answer: {error}", code=HOST) from None
            if response.status_code != 401:
                raise KitError(
                    f"https://{name} answers a stranger with status {response.status_code}, not 401.",
                    output=response.text[:2000],
                    code=HOST,
                )
