"""Code folders and virtual environments on a host, by digest: what autostart is run from, and the services of the
process runtime, as images are for Docker."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.catalog import source_files
from deploy.errors import KitError
from deploy.operations.report import Bar
from deploy.render import autostart as rendered
from deploy.stack import HostStack
from deploy.targets import Target, Writing
from deploy.types import Layout

COMPLETE = ".complete"
"""Written last: a folder without it was cut off and is built anew."""


@dataclass(frozen=True)
class Component:
    """One folder to build: code copied from `sources`, or the virtual environment of `lock`."""

    path: str
    label: str
    sources: tuple[Path, ...] = ()
    lock: Path | None = None


def of(host: HostStack) -> list[Component]:
    """Everything that the host needs, each once, environments before code."""
    found: dict[str, Component] = {}

    def add(component: Component) -> None:
        found.setdefault(component.path, component)

    autostart, opt = host.autostart, host.layout.opt
    add(Component(autostart.environment(opt), "autostart's environment", lock=autostart.folder / "requirements.lock"))
    add(Component(autostart.code(opt), "autostart's code", (autostart.folder,)))
    for service in host.services if host.runtime == "process" else ():
        kind = service.kind
        path = rendered.environment_folder(host, service)
        add(Component(path, f"{kind.name}'s environment", lock=kind.lock))
        add(Component(rendered.image_folder(host, service), f"{kind.name}'s code", (kind.folder, kind.core)))
    return list(found.values())


def complete(target: Target, components: Iterable[Component]) -> frozenset[str]:
    """Paths of those that are built to the end."""
    there = target.existing([f"{component.path}/{COMPLETE}" for component in components])
    return frozenset(component.path for component in components if f"{component.path}/{COMPLETE}" in there)


def build(target: Target, layout: Layout, component: Component, bar: Bar) -> None:
    """Build one component from nothing. Raises KitError with the installer's output."""
    target.remove(component.path)
    if component.lock:
        for line in _environment(target, component, component.lock):
            bar.update(0, 0, line)
    # autostart's code lies at the top, a service's beside the core it is made with.
    alone = len(component.sources) == 1
    target.write_all(
        [
            _writing(layout, f"{component.path}/{'' if alone else source.name + '/'}{name}", content)
            for source in component.sources
            for name, content in code(source)
        ]
    )
    target.write_all([_writing(layout, f"{component.path}/{COMPLETE}", b"")])


def code(source: Path) -> Iterator[tuple[str, bytes]]:
    """(path below the folder, content) of what runs."""
    return ((file.relative_to(source).as_posix(), file.read_bytes()) for file in source_files(source))


def _writing(layout: Layout, path: str, content: bytes) -> Writing:
    return Writing(path, content, 0o644, layout.root, layout.root_group)


def _environment(target: Target, component: Component, lock: Path) -> Iterator[str]:
    lock_text = lock.read_bytes()
    if target.layout.runtime == "process":
        from uv import find_uv_bin

        uv = ("env", *_variables(), find_uv_bin())
        python = f"{component.path}/bin/python"
        yield from _lines(target, (*uv, "venv", "--quiet", "--python", sys.executable, component.path))
        yield from _lines(target, (*uv, "pip", "install", "--python", python, "--require-hashes", "-r", str(lock)))
        return
    yield from _lines(target, ("python3", "-m", "venv", component.path))
    listed = f"{component.path}/requirements.lock"
    target.write_all([_writing(target.layout, listed, lock_text)])
    pip = (f"{component.path}/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
    yield from _lines(target, (*pip, "--only-binary", ":all:", "--require-hashes", "-r", listed))


def _lines(target: Target, command: tuple[str, ...]) -> Iterator[str]:
    printed = []
    try:
        for line in target.lines(command):
            printed.append(line)
            yield line
    except KitError as error:
        said = "\n".join([*printed, error.output])
        raise KitError("The packages could not be installed.", output=said) from None


def _variables() -> list[str]:
    """uv reads its own names for what pip's variables say."""
    names = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_EXTRA_INDEX_URL": "UV_INDEX",
        "PIP_FIND_LINKS": "UV_FIND_LINKS",
    }
    taken = [f"{uv}={os.environ[pip]}" for pip, uv in names.items() if pip in os.environ and uv not in os.environ]
    return [*taken, "UV_NO_PROGRESS=1", "UV_PYTHON_DOWNLOADS=never"]


def unused(target: Target, host: HostStack) -> list[str]:
    """Folders of earlier components that nothing wants any more."""
    wanted = {component.path for component in of(host)}
    folders = (f"{host.layout.opt}/images", f"{host.layout.opt}/environments")
    found = target.run(("find", *folders, "-mindepth", "1", "-maxdepth", "1"), check=False)
    return [path for path in found.splitlines() if path not in wanted]
