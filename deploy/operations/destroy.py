"""Stop what runs and remove what is ours."""

import shutil
from pathlib import Path

from deploy.operations import models, users
from deploy.operations.workspace import Workspace
from deploy.stack import HostStack


def doomed(space: Workspace, host: HostStack, *, volumes: bool) -> list[str]:
    """What a removal takes away, in sentences."""
    target = space.target(host)
    layout = host.layout
    names = [user.name for user in users.listed(target, layout)]
    root = Path(layout.etc).parent
    found = [f"the folder {root}, with its certificates and the authority"] if root.exists() else []
    found += [f"the users {', '.join(names)}"] if names else []
    if volumes:
        found += [f"the model {path}" for path in _model_folders(host)]
    return found


def run(space: Workspace, host: HostStack, *, volumes: bool) -> None:
    """Remove a host's everything; models only with `volumes`."""
    target = space.target(host)
    layout = host.layout
    with target.lock("destroy"):
        for unit in ("autostart", "nginx"):
            target.supervisor.stop(unit)
        if volumes:
            for folder in _model_folders(host):
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(Path(layout.etc).parent, ignore_errors=True)


def _model_folders(host: HostStack) -> list[Path]:
    folders = {Path(models.folder(host.layout.models, service.model)) for service in host.services}
    return sorted(folder for folder in folders if folder.exists())
