"""The hub's token is the deploy's: it fetches gated models with it, and what decodes strangers' audio never has it."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import render
from deploy.config.stack import Stack
from deploy.errors import InventoryError
from deploy.models import fetching
from deploy.types import Reference, Secret
from tests.unit.desk import Desk

Resolved = Callable[[str], Stack]
ENV = "/etc/greffier/services/whisper/.env"
SERVICES = """\
services:
  meeting: {kind: whisperx, secrets: {HF_TOKEN: 'env:HF_TOKEN', OTHER: 'env:OTHER'}}
  large: {kind: pytorch, enabled: true, secrets: {HUGGINGFACE_TOKEN: 'file:token'}}
"""
NAMES = ("HF_TOKEN", "HUGGINGFACE_TOKEN")


@pytest.mark.parametrize("host", ["{domain: example.org}", "{runtime: process}"])
def test_no_service_of_the_kit_has_it(resolved: Resolved, host: str) -> None:
    (made,) = resolved(f"hosts: {{h: {host}}}\n{SERVICES}").hosts
    tree = render.tree(made)
    references = {reference for file in tree.values() for reference in file.references}
    assert {reference.argument for reference in references} == {"OTHER"}
    assert not any(name in file.text for name in NAMES for file in tree.values())
    environments = [file.text for path, file in tree.items() if path.endswith(("compose.yml", "config.json"))]
    assert any("HF_HUB_OFFLINE" in text for text in environments)
    # A deploy resolves it all the same, and fetches with it.
    assert {reference.argument for reference in Stack((made,)).references} == {"HF_TOKEN", "OTHER", "token"}
    assert fetching.token(made, {Reference("file", "token"): Secret("hf_x")}) == "hf_x"


def test_a_container_of_another_maker_gets_what_it_is_given(resolved: Resolved) -> None:
    text = "hosts: {h: {domain: example.org}}\nservices:\n  echo: {kind: container, image: 'a:1', container_port: 80, "
    (host,) = resolved(text + "secrets: {HF_TOKEN: 'env:HF_TOKEN'}}\n").hosts
    assert [r.argument for r in render.tree(host)["/etc/greffier/services/echo/.env"].references] == ["HF_TOKEN"]
    assert fetching.token(host, {Reference("env", "HF_TOKEN"): Secret("hf_x")}) is None  # it is not the kit's to use


def test_it_is_no_plain_variable_either(resolved: Resolved) -> None:
    text = "hosts: {h: {domain: example.org}}\nservices: {w: {kind: whisperx, environment: {HF_TOKEN: hf}}}\n"
    with pytest.raises(InventoryError, match="HF_TOKEN is for the deploy only"):
        resolved(text)


def test_another_token_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    named(desk)
    plans = []
    for token in ("hf_first", "hf_second"):
        monkeypatch.setenv("HF_TOKEN", token)
        plans.append(desk.says("plan --json").out)
        assert token not in plans[-1]
    assert plans[0] == plans[1]


def test_what_the_version_before_left_goes_with_the_next_deploy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    named(desk)
    monkeypatch.setenv("HF_TOKEN", "hf_first")
    state = desk.folder / "host"
    files = json.loads(state.read_text())
    state.write_text(json.dumps(files | {ENV: base64.b64encode(b"HF_TOKEN='hf_first'\n").decode()}))
    said = desk.says("plan").out
    assert f"change {ENV} (HF_TOKEN changed" in said and "restart whisper" in said and "hf_first" not in said
    assert desk.says("deploy --force", keep=True).status == 0
    assert base64.b64decode(json.loads(state.read_text())[ENV]) == b""


def named(desk: Desk) -> None:
    path: Path = desk.folder / "inventory.yml"
    path.write_text(path.read_text().replace("faster-whisper}", "faster-whisper, secrets: {HF_TOKEN: 'env:HF_TOKEN'}}"))
