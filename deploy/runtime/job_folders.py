"""The folders on a host that services keep their jobs in."""

from deploy.config.stack import HostStack
from deploy.render import compose
from deploy.transport.targets import Target


def make(host: HostStack, target: Target) -> None:
    """Make those that are missing: the services' own to write, and anybody's to look whether there are jobs left."""
    folders = [compose.jobs_folder(host, service) for service in host.services if service.jobs]
    if folders and target.existing(folders) != set(folders):
        target.folders(folders)
        if host.runtime == "compose":
            target.run(("chown", compose.USER, *folders))
            target.run(("chmod", "0755", *folders))
