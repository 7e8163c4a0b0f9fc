"""The examples of docs/api.md and of other pages, run as they stand there but for address, key and file."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.heard import plain
from tests.integration.kit import JFK, PATIENCE, ROOT, SAID, Kit

PAGE = (ROOT / "docs" / "api.md").read_text()


def examples(kit: Kit, language: str, page: str = PAGE, name: str = "whisper") -> str:
    """The blocks of a page in one language, as a program that asks the service of that name."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    found = "\n".join(block for block in blocks if "example.org/talk" not in block)  # that file is nobody's
    assert found
    here = found.replace(f"https://{name}.example.org", f"{kit.origin}/{name}")
    return here.replace("your API key", kit.api_key)


def ran(kit: Kit, folder: Path, *command: str) -> str:
    shutil.copy(JFK, folder / "speech.wav")
    trust = {"SSL_CERT_FILE": kit.authority, "CURL_CA_BUNDLE": kit.authority, "NO_PROXY": "localhost"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **trust, "API_KEY": kit.api_key},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_examples(kit: Kit, tmp_path: Path) -> None:
    told = ran(kit, tmp_path, sys.executable, "-c", examples(kit, "python"))
    said = plain(told)
    assert said.startswith(SAID) and said.count(SAID) >= 2
    assert re.search(r"^ *\d+\.\d\d +\d+\.\d\d country\b", told, re.MULTILINE)


def test_curl_example(kit: Kit, tmp_path: Path) -> None:
    told = ran(kit, tmp_path, "bash", "-ec", examples(kit, "sh"))
    assert told.startswith("1\n00:00:0") and "fellow americans" in plain(told)


@pytest.mark.parametrize(
    ("page", "address", "key", "file"),
    [
        ("README.md", "https://localhost:8443/whisper", "…", "meeting.m4a"),
        ("docs/deploy.md", "https://whisper.vps.test", "YW5uYTpCa3JtS3JPbnRwMGZHU0VoQmFRS2lSUFE", "jfk.wav"),
        ("docs/clients.md", "https://whisper.example.org", "your API key", "speech.wav"),
    ],
)
def test_python_of_other_pages(kit: Kit, tmp_path: Path, page: str, address: str, key: str, file: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        assert address in block and key in block and file in block
        here = block.replace(address, f"{kit.origin}/whisper").replace(f'"{key}"', f'"{kit.api_key}"')
        assert plain(ran(kit, tmp_path, sys.executable, "-c", here.replace(file, "speech.wav"))).startswith(SAID)


def test_curl_of_the_first_deploy(kit: Kit, tmp_path: Path) -> None:
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "curl" in block)
    command, shown = block.removeprefix("$ ").rsplit("\n", 2)[:2]
    here = command.replace("https://whisper.vps.test", f"{kit.origin}/whisper").replace("jfk.wav", "speech.wav")
    told = json.loads(ran(kit, tmp_path, "bash", "-ec", here.replace("$GREFFIER_API_KEY", kit.api_key)))
    assert told.keys() == json.loads(shown).keys()
    assert (told["languages"], told["usage"]) == (json.loads(shown)["languages"], json.loads(shown)["usage"])
