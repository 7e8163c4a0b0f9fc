"""Tells whoever the host tells, of what a command did there."""

import contextlib

from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.render import notify
from deploy.transport.connection import Lost
from deploy.transport.targets import Target


def send(host: HostStack, target: Target, sentence: str) -> None:
    """Have the host send a sentence, where it tells anybody. That it cannot fails nothing."""
    command = notify.command(host, sentence)
    try:
        if host.runtime == "compose" and target.existing([command[3]]):
            with contextlib.suppress(KitError):
                target.run(command, check=False)
    except Lost:
        return
