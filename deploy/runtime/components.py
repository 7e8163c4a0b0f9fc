"""Code folders and virtual environments on a host, by digest: what autostart is run from, and the services of the
process runtime, as images are for Docker."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.config.image_digest import files
from deploy.config.stack import HostStack, Torch
from deploy.errors import KitError
from deploy.program_output import last_line, sentence
from deploy.render import autostart as rendered
from deploy.reporting import Bar
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.targets import Target, Writing
from deploy.types import Layout

COMPLETE = ".complete"
"""Written last: a folder without it was cut off and is built anew."""


@dataclass(frozen=True)
class Component:
    """One folder to build: code copied from `sources`, or the virtual environment of `lock`, with what that leaves to
    `torch`."""

    path: str
    label: str
    sources: tuple[tuple[str, Path], ...] = ()
    """(path below this one, folder)"""
    lock: Path | None = None
    torch: Torch | None = None


def of(host: HostStack) -> list[Component]:
    """Everything that the host needs, each once, environments before code."""
    found: dict[str, Component] = {}

    def add(component: Component) -> None:
        found.setdefault(component.path, component)

    autostart, opt = host.autostart, host.layout.opt
    add(Component(autostart.environment(opt), "autostart's environment", lock=autostart.folder / "requirements.lock"))
    add(Component(autostart.code(opt), "autostart's code", (("src", autostart.folder / "src"),)))
    for service in host.services if host.runtime == "process" else ():
        kind = service.kind
        path = rendered.environment_folder(host, service)
        add(Component(path, f"{kind.name}'s environment", lock=kind.lock, torch=service.torch))
        add(Component(rendered.image_folder(host, service), f"{kind.name}'s code", kind.code))
    return list(found.values())


def complete(target: Target, components: Iterable[Component]) -> Asking[frozenset[str]]:
    """Paths of those that are built to the end. An environment is of one Python: the next one, which an upgrade of the
    system brings, finds none of its packages."""
    packages = f"lib/python{_python(target)}"
    marks = {
        part.path: (f"{part.path}/{COMPLETE}", *((f"{part.path}/{packages}",) if part.lock else ()))
        for part in components
    }
    there = yield from asking.existing([mark for needed in marks.values() for mark in needed])
    return frozenset(path for path, needed in marks.items() if there.issuperset(needed))


def title(target: Target, component: Component) -> str:
    """What it is, for a plan."""
    return f"{component.label} for Python {_python(target)}" if component.lock else component.label


def _python(target: Target) -> str:
    """The one that its environments are made with, such as 3.13."""
    return ".".join(target.facts["python"].split(".")[:2])


def build(target: Target, layout: Layout, component: Component, bar: Bar) -> None:
    """Build one component from nothing. Raises KitError with the installer's output."""
    target.remove(component.path)
    if component.lock:
        for line in _environment(target, component, component.lock):
            bar.update(0, 0, line)
    target.write_all(
        [
            _writing(layout, f"{component.path}/{name}", content)
            for source in component.sources
            for name, content in code(*source)
        ]
    )
    target.write_all([_writing(layout, f"{component.path}/{COMPLETE}", b"")])


def code(below: str, source: Path) -> Iterator[tuple[str, bytes]]:
    """(path below the component, content) of what runs."""
    return ((name, file.read_bytes()) for name, file in files(below, source))


def _writing(layout: Layout, path: str, content: bytes) -> Writing:
    return Writing(path, content, 0o644, layout.root, layout.root_group)


def _environment(target: Target, component: Component, lock: Path) -> Iterator[str]:
    lock_text = lock.read_bytes()
    if target.layout.runtime == "process":
        into = ("pip", "install", "--python", f"{component.path}/bin/python")
        yield from _lines(target, _uv("venv", "--quiet", "--python", sys.executable, component.path))
        yield from _lines(target, _uv(*into, "--no-deps", "--require-hashes", "-r", str(lock)))
        if component.torch:
            yield from _torch(target, into, component.torch)
        return
    yield from _lines(target, ("python3", "-m", "venv", component.path))
    listed = f"{component.path}/requirements.lock"
    target.write_all([_writing(target.layout, listed, lock_text)])
    pip = (f"{component.path}/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
    yield from _lines(target, (*pip, "--only-binary", ":all:", "--require-hashes", "-r", listed))


def _torch(target: Target, into: tuple[str, ...], torch: Torch) -> Iterator[str]:
    """PyTorch by its exact version. Everything else that it needs is in the lock, but the libraries of a GPU."""
    if not torch.cpu:
        index = ("--index", torch.index, "--index-strategy", "unsafe-best-match")
        yield from _lines(target, _uv(*into, *index, f"torch=={torch.version}"))
        return
    # PyPI's build for Linux is that for GPUs, with gigabytes of their libraries: the other one has a name of its own.
    build = f"torch=={torch.version}" + ("+cpu" if sys.platform == "linux" else "")
    try:
        yield from _lines(target, _uv(*into, "--no-deps", build))
    except KitError:
        yield "PyTorch's CPU build, from its own index"
        yield from _lines(target, _uv(*into, "--no-deps", "--default-index", torch.index, build, alone=True))


def _uv(*words: str, alone: bool = False) -> tuple[str, ...]:
    """uv with this user's package indexes, or without them."""
    from uv import find_uv_bin

    unset = [word for name in _INDEXES.values() for word in ("-u", name)]
    return (
        "env",
        *(unset if alone else _indexes()),
        "UV_NO_PROGRESS=1",
        "UV_PYTHON_DOWNLOADS=never",
        find_uv_bin(),
        *words,
    )


def _lines(target: Target, command: tuple[str, ...]) -> Iterator[str]:
    printed = []
    try:
        for line in target.lines(command):
            printed.append(line)
            yield line
    except KitError as error:
        said = "\n".join([*printed, error.output])
        hint = "Check the network and the package index set by PIP_INDEX_URL or pip.conf."
        errors = [line for line in said.splitlines() if line.lower().startswith("error: ")]
        why = last_line(errors[-1])[len("error: ") :] if errors else last_line(said)
        raise KitError(sentence("The packages could not be installed", why), hint, output=said) from None


_INDEXES = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX", "PIP_FIND_LINKS": "UV_FIND_LINKS"}
"""uv reads its own names for what pip's variables say."""


def _indexes() -> list[str]:
    return [f"{uv}={os.environ[pip]}" for pip, uv in _INDEXES.items() if pip in os.environ and uv not in os.environ]


def unused(target: Target, host: HostStack) -> list[str]:
    """Folders of earlier components that nothing wants any more."""
    wanted = {component.path for component in of(host)}
    folders = (f"{host.layout.opt}/images", f"{host.layout.opt}/environments")
    found = target.run(("find", *folders, "-mindepth", "1", "-maxdepth", "1"), check=False)
    return [path for path in found.splitlines() if path not in wanted]
