"""What a kind's manifest says of other kinds, and what its image is made of."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import ROOT
from deploy.config import catalog
from deploy.config.stack import HostStack, Stack
from deploy.render import autostart, compose
from deploy.runtime import components, images

MEETING = "hosts:\n  vps: {domain: example.org}\nservices:\n  meeting: {kind: whisperx%s}\n"


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A copy of the manifests and the code."""
    skipped = shutil.ignore_patterns("tests", "__pycache__", "silero", "swagger")
    return shutil.copytree(ROOT / "services", tmp_path / "services", ignore=skipped)


@pytest.mark.parametrize("kind", ["faster-whisper", "whisperx", "pytorch"])
def test_compose_asks_for_health_as_the_image_does(resolved: Callable[[str], Stack], kind: str) -> None:
    text = f"hosts:\n  vps: {{domain: example.org}}\nservices:\n  one: {{kind: {kind}, enabled: true}}\n"
    (host,) = resolved(text).hosts
    asked = compose.project(host, host.services[0])["services"]["one"]["healthcheck"]["test"]
    line = f"CMD {json.dumps(asked[1:])}"
    assert asked[0] == "CMD" and line in (ROOT / "services" / kind / "Dockerfile").read_text().splitlines()[-2]


def test_an_image_is_made_of_the_shared_source_too(resolved: Callable[[str], Stack], services: Path) -> None:
    (host,) = resolved(MEETING % "").hosts
    with tarfile.open(fileobj=io.BytesIO(images.context(host.services[0]))) as archive:
        names = archive.getnames()
    assert "services/whisper/src/stt_whisper/decoding.py" in names
    assert "services/whisperx/Dockerfile" in names and "services/core/pyproject.toml" in names
    assert not [name for name in names if name.startswith("services/whisper/") and "/src/" not in name]
    assert not [name for name in names if name.startswith(("services/faster-whisper/", "services/testing/"))]

    before = catalog.load(services)
    (services / "ctranslate2/src/stt_ctranslate2/engine.py").write_text("changed = True\n")
    after = catalog.load(services)
    assert {n for n in before if before[n].digest != after[n].digest} == {"faster-whisper", "whisperx"}
    again = after["whisperx"].digest
    (services / "faster-whisper/Dockerfile").write_text("FROM nothing\n")
    assert catalog.load(services)["whisperx"].digest == again


def test_models_of_other_kinds_are_known_and_need_more(resolved: Callable[[str], Stack]) -> None:
    kinds = catalog.load()
    of, base = {n: kinds[n].manifest for n in ("whisperx", "faster-whisper")}, "Systran/faster-whisper-base"
    theirs, ours = of["faster-whisper"].models.known[base], of["whisperx"].models.known[base]
    assert ours.files == theirs.files and ours.memory == theirs.memory + of["whisperx"].beside
    (host,) = resolved(MEETING % f", model: {base}").hosts
    assert host.services[0].memory == ours.memory


def test_torch_is_part_of_what_an_image_and_an_environment_are_made_of(resolved: Callable[[str], Stack]) -> None:
    def of(more: str) -> HostStack:
        return resolved(MEETING % more).hosts[0]

    cpu, cuda = of(""), of(", device: cuda")
    assert cpu.services[0].image != cuda.services[0].image
    words = images._building(cuda.services[0], "tag")
    assert f"TORCH={cuda.services[0].torch.version}" in words  # type: ignore[union-attr]
    assert [word for word in words if word.startswith("TORCH_INDEX=https://download.pytorch.org/whl/cu")]
    paths = {autostart.environment_folder(host, host.services[0]) for host in (cpu, cuda)}
    assert len(paths) == 2


def test_a_process_imports_from_every_folder_that_it_is_made_of(resolved: Callable[[str], Stack]) -> None:
    text = "hosts: {me: {runtime: process}}\nservices: {meeting: {kind: whisperx}}\n"
    (host,) = resolved(text).hosts
    entry = autostart._process(host, host.services[0])
    built = next(part for part in components.of(host) if part.path == entry["directory"])
    places = [Path(entry["directory"]) / below for below, _ in built.sources]
    for path in map(Path, entry["environment"]["PYTHONPATH"].split(":")):
        assert [place for place in places if path.is_relative_to(place)], path
