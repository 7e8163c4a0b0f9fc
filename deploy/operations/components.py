"""What the process runtime runs, by digest: code folders and virtual environments, as images are for Docker."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT
from deploy.catalog import source_digest, source_files
from deploy.errors import HOST, KitError
from deploy.operations.report import Bar
from deploy.render import autostart as rendered
from deploy.stack import HostStack
from deploy.types import digest

COMPLETE = ".complete"
"""Written last: a folder without it was cut off and is built anew."""
AUTOSTART = ROOT / "autostart"


@dataclass(frozen=True)
class Component:
    """One folder to build: code copied from `sources`, or the virtual environment of `lock`."""

    path: str
    label: str
    sources: tuple[Path, ...] = ()
    lock: Path | None = None


def autostart_release() -> str:
    return source_digest(AUTOSTART)[:16]


def autostart_code(host: HostStack) -> str:
    return f"{host.layout.opt}/images/autostart-{autostart_release()}"


def autostart_python(host: HostStack) -> str:
    lock = digest((AUTOSTART / "requirements.lock").read_bytes())[:16]
    return f"{host.layout.opt}/environments/autostart-{lock}/bin/python"


def of(host: HostStack) -> list[Component]:
    """Everything that the host needs, each once, environments before code."""
    found: dict[str, Component] = {}

    def add(component: Component) -> None:
        found.setdefault(component.path, component)

    environment = str(Path(autostart_python(host)).parent.parent)
    add(Component(environment, "autostart's environment", lock=AUTOSTART / "requirements.lock"))
    add(Component(autostart_code(host), "autostart's code", (AUTOSTART,)))
    for service in host.services:
        kind = service.kind
        path = rendered.environment_folder(host, service)
        add(Component(path, f"{kind.name}'s environment", lock=kind.lock))
        add(Component(rendered.image_folder(host, service), f"{kind.name}'s code", (kind.folder, kind.core)))
    return list(found.values())


def complete(component: Component) -> bool:
    return (Path(component.path) / COMPLETE).exists()


def build(component: Component, bar: Bar) -> None:
    """Build one component from nothing. Raises KitError with the installer's output."""
    folder = Path(component.path)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if component.lock:
        _environment(folder, component.lock, bar)
    for source in component.sources:
        for file in source_files(source):
            # autostart's code lies at the top, a service's beside the core it is made with.
            base = folder if len(component.sources) == 1 else folder / source.name
            target = base / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    (folder / COMPLETE).touch()


def _environment(folder: Path, lock: Path, bar: Bar) -> None:
    from uv import find_uv_bin

    uv = find_uv_bin()
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    python = str(folder / "bin" / "python")
    for line in _run_live([uv, "pip", "install", "--python", python, "--require-hashes", "-r", str(lock)]):
        bar.update(0, 0, line)


def _variables() -> dict[str, str]:
    """uv reads its own names for what pip's variables say."""
    names = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_EXTRA_INDEX_URL": "UV_INDEX",
        "PIP_FIND_LINKS": "UV_FIND_LINKS",
    }
    taken = {uv: os.environ[pip] for pip, uv in names.items() if pip in os.environ and uv not in os.environ}
    return {**os.environ, **taken, "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def _run(command: list[str]) -> None:
    for _ in _run_live(command):
        pass


def _run_live(command: list[str]) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_variables())
    assert process.stdout
    printed = []
    for line in process.stdout:
        printed.append(line)
        yield line.strip()
    if process.wait():
        raise KitError("The packages could not be installed.", output="".join(printed), code=HOST)


def unused(host: HostStack) -> list[Path]:
    """Folders of earlier components that nothing wants any more."""
    wanted = {component.path for component in of(host)}
    folders = (Path(host.layout.opt) / part for part in ("images", "environments"))
    return [path for folder in folders if folder.is_dir() for path in folder.iterdir() if str(path) not in wanted]
