"""The folder services/parakeet by itself: its compose file, and what fetches the models for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from deploy import ROOT
from deploy.config import catalog, model_names
from tests.unit.test_model_fetch import COMMIT, Site

FOLDER = ROOT / "services/parakeet"
DOWNLOAD = FOLDER / "src/stt_parakeet/download.py"
NAME = "istupakov/parakeet-tdt-0.6b-v3-onnx"
FILES = {"config.json": b"{}", "vocab.txt": b"<blk> 0\n", "encoder-model.int8.onnx": b"e" * 5000}


def test_it_fetches_what_a_deploy_would() -> None:
    manifest = catalog.load()["parakeet"].manifest
    assert isinstance(manifest, catalog.Own)
    models = manifest.models
    wanted = json.loads((FOLDER / "models.json").read_text())["models"]
    assert wanted[0] == {"name": models.default, "patterns": [*model_names.patterns(models, models.default)]}
    known = models.known["greffier/open-diarization"].model_dump(exclude={"memory", "revision"}, exclude_none=True)
    assert wanted[1:] == [{"name": "greffier/open-diarization", **known}]


def test_its_compose_file_has_the_known_places() -> None:
    composed = yaml.safe_load((FOLDER / "compose.yml").read_text())
    server, loader = composed["services"]["stt"], composed["services"]["model-downloader"]
    assert server["ports"] == ["8000:8000"] and server["environment"]["PORT"] == 8000
    assert server["volumes"] == ["models:/models", "data:/data"] and loader["profiles"] == ["setup"]
    assert {name: one["name"] for name, one in composed["volumes"].items()} == {
        "models": "wazo-stt-models",
        "data": "wazo-stt-data",
    }
    assert f"FROM service AS {server['build']['target']}" in (FOLDER / "Dockerfile").read_text().splitlines()
    for volume in loader["volumes"][1:]:
        assert (FOLDER / volume.split(":")[0]).exists()


def test_the_downloader_says_what_it_does_and_keeps_its_token(tmp_path: Path) -> None:
    hub = Site()
    listed = {"sha": COMMIT, "siblings": [{"rfilename": path, "size": len(FILES[path])} for path in FILES]}
    hub.pages = {f"/{NAME}/resolve/{COMMIT}/{path}": content for path, content in FILES.items()}
    hub.pages[f"/api/models/{NAME}/revision/main"] = json.dumps(listed).encode()
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "deploy").symlink_to(ROOT / "deploy")
    asked = {"directory": str(tmp_path / "models"), "hub": hub.url, "timeout": 5}
    model = {"name": NAME, "patterns": ["config.json", "vocab.txt", "encoder-model.int8.onnx"]}
    (kit / "models.json").write_text(json.dumps(asked | {"models": [model]}))

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            (sys.executable, str(DOWNLOAD), str(kit)),
            env=os.environ | {"HF_TOKEN": "hf_secret"},
            capture_output=True,
            text=True,
            check=False,
        )

    try:
        done = run()
        assert done.returncode == 0, done.stdout + done.stderr
        folder = tmp_path / "models" / NAME.replace("/", "--")
        assert {path: (folder / path).read_bytes() for path in FILES} == FILES
        assert f"{NAME}: fetching it from {hub.url}/{NAME}" in done.stdout
        assert done.stdout.splitlines()[-1] == f"{NAME}: complete" and "hf_secret" not in done.stdout
        assert run().stdout.splitlines() == [f"{NAME}: there already"]
        (folder / "vocab.txt").write_bytes(b"other\n")
        hub.pages = {}
        failed = run()
        assert failed.returncode == 1 and f"{NAME} failed: " in failed.stdout
    finally:
        hub.close()
