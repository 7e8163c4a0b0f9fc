"""The wheel holds all that the kit reads when it runs, and nothing of its tests."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from deploy import ROOT, VERSION
from deploy.config import catalog

HELD = ("cli.py", "inventory.yml", "deploy", "nginx", "autostart", "services", "examples")
"""What a checkout has that the wheel has too, but for what `left_out` says."""


def left_out(path: PurePosixPath) -> bool:
    """Tests, what only they and `make lock` read, and what tools leave in a checkout."""
    folders = {"tests", "node_modules", "__pycache__"}
    return (
        any(part in folders or part.startswith(".") for part in path.parts)
        or path.name == "requirements-dev.lock"
        or path.parent == PurePosixPath("services")
        or path.is_relative_to("services/testing")
    )


def checkout() -> Iterator[str]:
    for name in HELD:
        for file in [ROOT / name, *(ROOT / name).rglob("*")]:
            path = PurePosixPath(file.relative_to(ROOT))
            if file.is_file() and not left_out(path):
                yield str(path)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out))
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = out.iterdir()
    assert file.name == f"greffier-{VERSION}-py3-none-any.whl"
    return zipfile.ZipFile(file)


def test_it_holds_what_a_checkout_has(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == set(checkout())


def test_what_is_in_it_runs_without_a_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Also: a host that was deployed from a checkout is as a deploy from the wheel wants it."""
    wheel.extractall(tmp_path / "kit")
    (tmp_path / "empty").mkdir()
    say = """
import json
import re
from deploy import ROOT
from deploy.config import catalog
kinds = {name: [kind.digest, kind.lock_digest] for name, kind in catalog.load().items()}
print(json.dumps([str(ROOT), kinds, [catalog.autostart().digest, catalog.autostart().lock_digest]]))
"""

    def run(*words: str) -> str:
        done = subprocess.run(
            (sys.executable, *words),
            cwd=tmp_path / "empty",
            env={"PYTHONPATH": str(tmp_path / "kit"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "empty")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    root, kinds, autostart = json.loads(run("-c", say))
    assert root == str(tmp_path / "kit")
    assert kinds == {name: [kind.digest, kind.lock_digest] for name, kind in catalog.load().items()}
    assert autostart == [catalog.autostart().digest, catalog.autostart().lock_digest]
    program = str(tmp_path / "kit/cli.py")
    run(program, "init", "--domain", "speech.test")
    assert "whisper.speech.test" in run(program, "check")
    assert "/etc/nginx/conf.d/greffier-" in run(program, "render", "--out", "rendered")


def test_it_is_installed_as_the_command_that_the_docs_call(wheel: zipfile.ZipFile) -> None:
    about = f"greffier-{VERSION}.dist-info"
    assert wheel.read(f"{about}/entry_points.txt").decode() == "[console_scripts]\ngreffier = cli:main\n"
    metadata = wheel.read(f"{about}/METADATA").decode()
    assert "License-Expression: MIT" in metadata and "# Greffier" in metadata


def test_every_part_has_the_same_version() -> None:
    """As docs/releasing.md says."""
    said = {}
    for file in (*ROOT.glob("*/src/*/__init__.py"), *ROOT.glob("services/*/src/*/__init__.py")):
        for version in re.findall(r'^__version__ = "(.*)"$', file.read_text(), re.MULTILINE):
            said[file] = version
    for file in (ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")):
        document = tomllib.loads(file.read_text())
        assert document["project"]["dynamic"] == ["version"], f"{file} has a version of its own"
        source = file.parent / document["tool"]["hatch"]["version"]["path"]
        assert source.resolve() == ROOT / "deploy" / "__init__.py"
    for file in ROOT.glob("services/*/openapi.json"):
        said[file] = json.loads(file.read_text())["info"]["version"]
    assert len(said) > 4 and set(said.values()) == {VERSION}, said
