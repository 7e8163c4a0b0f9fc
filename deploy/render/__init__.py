"""Stack -> Tree. Pure: the same stack renders the same bytes on every machine."""

from deploy.render import autostart, compose, env, nginx, units
from deploy.stack import HostStack
from deploy.types import File, Tree


def tree(host: HostStack) -> Tree:
    """Every file that one host shall have, by its path."""
    found: dict[str, File] = dict(nginx.files(host))
    found |= dict(env.files(host))
    found |= dict(autostart.files(host))
    if host.runtime == "compose":
        found |= dict(compose.files(host))
        found |= dict(units.files(host))
    return dict(sorted(found.items()))
