"""Stop what runs and remove what is ours."""

import contextlib
import shutil
from pathlib import Path

from deploy.operations import models, users, workspace
from deploy.stack import HostStack


def doomed(host: HostStack, *, volumes: bool) -> list[str]:
    """What a removal takes away, in sentences."""
    target = workspace.target(host)
    layout = host.layout
    names = [user.name for user in users.listed(target, layout)]
    root = Path(layout.etc).parent
    found = [f"the folder {root}, with its certificates and the authority"] if root.exists() else []
    found += [f"the users {', '.join(names)}"] if names else []
    if volumes:
        found += [f"the model {path}" for path in _model_folders(host)]
    return found


def run(host: HostStack, *, volumes: bool) -> None:
    """Remove a host's everything; models only with `volumes`."""
    target = workspace.target(host)
    layout = host.layout
    with target.lock("destroy"):
        for unit in ("autostart", "nginx"):
            target.supervisor.stop(unit)
        if volumes:
            for folder in _model_folders(host):
                shutil.rmtree(folder, ignore_errors=True)
        root = Path(layout.etc).parent
        shutil.rmtree(root, ignore_errors=True)
        with contextlib.suppress(OSError):  # where no other host of the inventory lies in it
            root.parent.rmdir()


def _model_folders(host: HostStack) -> list[Path]:
    folders = {Path(models.folder(host.layout.models, service.model)) for service in host.services}
    return sorted(folder for folder in folders if folder.exists())
