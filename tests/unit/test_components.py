"""Environments as the real uv makes them: PyTorch beside the lock, from wherever this user's packages come."""

import http.server
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.config.stack import Torch
from deploy.errors import KitError
from deploy.runtime import components
from deploy.runtime.components import Component
from deploy.transport.targets import Target

BUILD = "2.13.0" + ("+cpu" if sys.platform == "linux" else "")


class Quiet:
    def update(self, done: int, total: int, text: str = "") -> None:
        pass


def wheel(folder: Path, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    about = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("torch.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"torch.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """PyTorch's own, on loopback: folders with wheels in them."""
    wheel(tmp_path / "index/torch", BUILD)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    handler = partial(Handler, directory=str(tmp_path / "index"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's own packages: a folder, and an index that has none."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "links").mkdir()
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return tmp_path / "links"


def built(target: Target, folder: Path, index: str) -> str:
    """The version of PyTorch in an environment of nothing else."""
    (folder / "requirements.lock").write_text("")
    path = f"{target.layout.opt}/environments/some"
    torch = Torch("2.13.0", index, cpu=True)
    environment = Component(path, "some environment", lock=folder / "requirements.lock", torch=torch)
    components.build(target, target.layout, environment, Quiet())
    return target.run((f"{path}/bin/python", "-c", "import torch; print(torch.__version__)")).strip()


def test_this_users_build_for_processors_comes_first(target: Target, tmp_path: Path, packages: Path) -> None:
    wheel(packages, BUILD)
    assert built(target, tmp_path, "http://127.0.0.1:1") == BUILD


def test_otherwise_it_comes_from_pytorchs_own_index(target: Target, tmp_path: Path, packages: Path, index: str) -> None:
    wheel(packages, "2.12.0")
    assert built(target, tmp_path, index) == BUILD


def test_where_neither_has_it_what_the_installer_said_is_told(target: Target, tmp_path: Path) -> None:
    with pytest.raises(KitError, match="packages could not be installed") as raised:
        built(target, tmp_path, "http://127.0.0.1:1")
    assert "torch" in raised.value.output


def test_an_environment_is_built_anew_for_another_python(target: Target, tmp_path: Path) -> None:
    code = Component(f"{target.layout.opt}/images/some", "some code", (("", tmp_path / "links"),))
    (tmp_path / "requirements.lock").write_text("")
    environment = Component(
        f"{target.layout.opt}/environments/some", "its environment", lock=tmp_path / "requirements.lock"
    )
    for part in (environment, code):
        components.build(target, target.layout, part, Quiet())
    assert target.answer(components.complete(target, (environment, code))) == {environment.path, code.path}
    # As it is when the system's Python has been upgraded to this one.
    (packages,) = Path(environment.path, "lib").glob("python3.*")
    packages.rename(packages.with_name("python3.1"))
    assert target.answer(components.complete(target, (environment, code))) == {code.path}
    components.build(target, target.layout, environment, Quiet())
    assert target.answer(components.complete(target, (environment, code))) == {environment.path, code.path}
