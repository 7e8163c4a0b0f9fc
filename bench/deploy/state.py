"""What Ansible and pyinfra are given of a host: the kit's own answer to what shall be there, as JSON."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from deploy import render, workspace
from deploy.config.stack import HostStack
from deploy.models import fetching
from deploy.render import compose
from deploy.rollout import offline
from deploy.runtime import components, images
from deploy.runtime.components import Component
from deploy.setup import apt

HUB = "https://huggingface.co"


def write(folder: Path, inventory: Path) -> Path:
    """Write the state of the inventory's one host and the files that it names. Returns its path. Raises KitError."""
    folder.mkdir()
    host = workspace.opened(inventory).host()
    for _ in offline.render(inventory, folder):
        pass
    path = folder / "state.json"
    path.write_text(json.dumps(_state(folder, host, inventory), indent=1))
    return path


def _state(folder: Path, host: HostStack, inventory: Path) -> dict[str, Any]:
    (service,), layout = host.services, host.layout
    code, environment = _parts(host)
    return {
        "packages": [*apt.BASE, *apt.Needed(engine=True, compose=True, buildx=True).dockers],
        "folders": [
            {"path": layout.etc, "owner": "root", "group": "root"},
            {"path": layout.opt, "owner": "root", "group": "root"},
            {"path": layout.var, "owner": "root", "group": "root"},
            {"path": layout.models, "owner": "root", "group": "root"},
            {"path": layout.log, "owner": "greffier", "group": "greffier"},
        ],
        "code_folder": code.path,
        "code_archive": str(_archive(folder / "code.tar.gz", code)),
        "environment_folder": environment.path,
        "models": [
            {
                "path": f"{fetching.folder(layout.models, name)}/{file}",
                "url": f"{HUB}/{name}/resolve/{request['revision']}/{file}",
                "sha256": pinned["sha256"],
            }
            for name, request in fetching.wanted(host, inventory).items()
            for file, pinned in request["files"].items()
        ],
        "image": service.image,
        "context_archive": str(_written(folder / "context.tar", images.context(service))),
        "dockerfile": f"services/{service.kind.name}/Dockerfile",
        "service": service.name,
        "container": compose.container(service),
        "compose_folder": f"{layout.etc}/services/{service.name}",
        "files": [
            {
                "path": name,
                "source": str(folder / host.name / name.lstrip("/")),
                "mode": f"{file.mode:04o}",
                "owner": file.owner,
                "group": file.group,
                "then": [str(effect) for effect in file.on_change],
            }
            for name, file in render.tree(host).items()
        ],
        "names": " ".join(host.names),
        "units": ["greffier-autostart", "nginx"],
    }


def _parts(host: HostStack) -> tuple[Component, Component]:
    """autostart's code and its environment."""
    parts = components.of(host)
    return next(part for part in parts if part.sources), next(part for part in parts if part.lock)


def _archive(path: Path, code: Component) -> Path:
    """The code as it lies on the host, to be unpacked at the root."""
    content = [*components.code(*code.sources[0]), (components.COMPLETE, b"")]
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content:
            entry = tarfile.TarInfo(f"{code.path.lstrip('/')}/{name}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return path


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
