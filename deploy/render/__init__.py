"""Stack -> Tree. Pure: the same stack renders the same bytes on every machine."""

from deploy.config.stack import HostStack
from deploy.render import autostart, compose, env, nginx, notify, units
from deploy.render.manifest import Manifest
from deploy.types import File, Tree


def tree(host: HostStack) -> Tree:
    """Every file that one host shall have, by its path."""
    found: dict[str, File] = dict(nginx.files(host))
    found |= dict(env.files(host))
    found |= dict(autostart.files(host))
    if host.runtime == "compose":
        found |= dict(compose.files(host))
        found |= dict(units.files(host))
        found |= dict(notify.files(host))
    return dict(sorted(found.items()))


def services(host: HostStack) -> Manifest:
    """The services of one host as data: what a rollout goes by, and what a release keeps."""
    return autostart.manifest(host)


def owner(host: HostStack, path: str) -> str:
    """The service that a file is of; empty where it is of all of them."""
    folder, vhost = f"{host.layout.etc}/services/", f"{host.layout.nginx_conf}/greffier-service-"
    if path.startswith(folder):
        return path.removeprefix(folder).partition("/")[0]
    return path.removeprefix(vhost).removesuffix(".conf") if path.startswith(vhost) else ""
