"""scripts/setup where an installer fails: what it said, a sentence, and nothing that passes for finished."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import ROOT

NOWHERE = "http://127.0.0.1:9/simple"
"""A port that nobody listens on."""
STAMP = '. scripts/environments; echo "$(sha256sum <"$1") $("$python" -V) $PWD${2:+ $(torch_of $2)}"'
PARTS = {
    ".venv": "requirements-dev.lock",
    ".venvs/autostart": "autostart/requirements-dev.lock",
    ".venvs/faster-whisper": "services/faster-whisper/requirements-dev.lock",
    ".venvs/whisperx": "services/whisperx/requirements-dev.lock",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as setup reads, and nothing installed."""
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(("scripts/", "tests/npm/package")) or name.endswith((".lock", "service.yml", ".toml")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(checkout: Path, *words: str, **environment: str) -> str:
    """What a failing setup says on standard error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "npm_"))}
    done = subprocess.run(
        (checkout / "scripts/setup", *words),
        env={**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def installed(checkout: Path, *folders: str) -> None:
    """Let setup find these environments as it leaves them."""
    for folder in folders:
        of = ("whisperx",) if folder.endswith("whisperx") else ()
        words = ("bash", "-c", STAMP, "bash", PARTS[folder], *of)
        stamp = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=True).stdout
        (checkout / folder).mkdir(parents=True)
        (checkout / folder / ".stamp").write_text(stamp)
    (checkout / ".venv/bin").symlink_to(ROOT / ".venv/bin")


def test_pip_reaches_no_index(checkout: Path) -> None:
    said = setup(checkout, PIP_INDEX_URL=NOWHERE)
    assert "No matching distribution found for uv" in said
    assert said.splitlines()[-1].startswith("pip could not install uv") and "PIP_INDEX_URL" in said.splitlines()[-1]
    assert not (checkout / ".venv/.stamp").exists()


def test_uv_reaches_no_index(checkout: Path) -> None:
    installed(checkout, ".venv")
    said = setup(checkout, "--tests", UV_DEFAULT_INDEX=NOWHERE, UV_CACHE_DIR=str(checkout / "cache"))
    assert NOWHERE in said
    assert said.splitlines()[-1].startswith("uv could not install what autostart/requirements-dev.lock lists")
    assert not (checkout / ".venvs/autostart/.stamp").exists()


def test_npm_reaches_no_registry(checkout: Path) -> None:
    installed(checkout, *PARTS)
    registry = {"npm_config_registry": NOWHERE, "npm_config_fetch_retries": "0"}
    said = setup(checkout, "--tests", npm_config_cache=str(checkout / "cache"), **registry)
    assert "ECONNREFUSED" in said
    assert said.splitlines()[-1].startswith("npm could not install what the tests need")
    assert not (checkout / "tests/npm/node_modules/.stamp").exists()
