"""The contract: what a service and its image do by themselves is what its service.yml says."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from stt_core import settings
from stt_core.http.edge import QUIET


@pytest.fixture
def manifest(committed: Path) -> dict[str, Any]:
    """The kind's, with what it has in common with others."""
    common = committed.parents[1] / "core" / "service-defaults.yml"
    common_part, own = (yaml.safe_load(path.read_text()) for path in (common, committed.with_name("service.yml")))
    together = {**common_part["settings"], **own.get("settings", {})}
    return {**common_part, **own, "settings": together}


def test_its_defaults_are_the_manifests(manifest: dict[str, Any]) -> None:
    defaults = import_module(f"{manifest['module']}.__main__").DEFAULTS
    assert (defaults.port, defaults.model) == (manifest["port"], manifest["models"]["default"])


def test_its_image_has_the_manifests_port_and_module(manifest: dict[str, Any], committed: Path) -> None:
    lines = committed.with_name("Dockerfile").read_text().splitlines()
    assert f"EXPOSE {manifest['port']}" in lines
    assert f"CMD {json.dumps(['python', '-m', manifest['module']])}" in lines
    asked = f"CMD {json.dumps(['python', '-m', 'stt_core.alive', str(manifest['port'])])}"
    assert [line for line in lines if line.startswith("HEALTHCHECK") and line.endswith(asked)]
    if version := manifest.get("torch"):
        assert f"ARG TORCH={version}" in lines


def test_what_the_manifest_calls_quiet_is_not_logged(manifest: dict[str, Any]) -> None:
    assert set(manifest["quiet"]) == QUIET


def test_the_service_reads_each_setting_that_the_manifest_names(
    manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    parsed = settings.parsed

    def noted(environment: Any, parsers: Any, *known: Any) -> dict[str, Any]:
        read.update(f"STT_{name.upper()}" for name in parsers)
        return parsed(environment, parsers, *known)

    monkeypatch.setattr(settings, "parsed", noted)
    main = import_module(f"{manifest['module']}.__main__")
    main.kind(settings.from_environment({}, main.DEFAULTS))
    assert set(manifest["settings"].values()) <= read
