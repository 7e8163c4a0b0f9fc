"""A model that is not the one that was pinned is not loaded, and a deploy puts it right."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration import hub
from tests.integration.kit import MODEL, Kit, deployed, inventory

FOLDER = MODEL.replace("/", "--")


@pytest.fixture(scope="module")
def original() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "greffier" / "models" / FOLDER


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, original: Path) -> Iterator[Kit]:
    """A kit whose models cache is a copy; the packages' cache stays the user's."""
    folder = tmp_path_factory.mktemp("own")
    cache = folder / "cache"
    shutil.copytree(original, cache / "greffier" / "models" / FOLDER)  # with its times, which tell that it is whole
    packages = os.environ.get("UV_CACHE_DIR") or str(original.parents[2] / "uv")
    with deployed(folder, inventory(), XDG_CACHE_HOME=str(cache), UV_CACHE_DIR=packages) as kit:
        yield kit


def _copy(kit: Kit) -> Path:
    return Path(kit.environment["XDG_CACHE_HOME"]) / "greffier" / "models" / FOLDER


def _changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("model.bin", _changed, "is not the file that was pinned"),
        ("vocabulary.txt", _missing, "is missing"),
    ],
)
def test_a_damaged_model_is_not_loaded_and_a_deploy_repairs_it(
    own: Kit, original: Path, file: str, damage: Callable[[Path], None], words: str
) -> None:
    own.cli("deploy")
    own.asleep()
    damage(_copy(own) / file)
    with own.http() as client:
        answer = client.get("/whisper/v1/models")
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    message = answer.json()["error"]["message"]
    assert words in message and file in message and "`greffier deploy`" in message
    assert f"model {MODEL}" in own.cli("plan", status=4).stdout

    asked: list[str] = []
    with hub.serving(original, asked) as address:
        own.cli("deploy", HF_ENDPOINT=address)
    fetched = {path.rsplit("/", 1)[1] for path in asked}
    assert fetched == {file}  # and nothing of what was right
    own.awake()
    assert "nothing to do" in own.cli("deploy").stdout
