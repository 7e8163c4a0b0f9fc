"""Gated models: what an operator without a token, or with a wrong one, is told, and when."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import hub
from tests.integration.kit import MODEL, Kit, inventory

COMMUNITY = "pyannote/speaker-diarization-community-1"
FRENCH = "jonatasgrosman/wav2vec2-large-xlsr-53-french"
TOKEN = {"HF_TOKEN": "env:HF_TOKEN"}
FILES = {
    COMMUNITY: {
        "config.yaml": "pipeline: {}\n",
        "README.md": "not wanted",
        "embedding/pytorch_model.bin": "one",
        "plda/plda.npz": "two",
        "segmentation/pytorch_model.bin": "three",
    },
    "pyannote/speaker-diarization-3.1": {"config.yaml": "pipeline: {}\n"},
    "pyannote/segmentation-3.0": {"config.yaml": "", "pytorch_model.bin": "four"},
    "pyannote/wespeaker-voxceleb-resnet34-LM": {"config.yaml": "", "pytorch_model.bin": "five"},
    FRENCH: {"config.json": "{}", "vocab.json": "{}", "model.safetensors": "six", "pytorch_model.bin": "seven"},
}


@pytest.fixture
def accounts() -> dict[str, bool]:
    return {"hf_accepted": True, "hf_other": False}


@pytest.fixture
def address(tmp_path: Path, accounts: dict[str, bool]) -> Iterator[str]:
    for model, files in FILES.items():
        for name, content in files.items():
            path = tmp_path / "hub" / model / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    with hub.gated(tmp_path / "hub", accounts) as at:
        yield at


@pytest.fixture
def kit(tmp_path: Path, address: str) -> Kit:
    made = Kit(tmp_path / "kit", inventory(), HF_ENDPOINT=address, XDG_CACHE_HOME=str(tmp_path / "cache"))
    made.environment.pop("HF_TOKEN", None)
    return made


def write(kit: Kit, **more: Any) -> None:
    kit.write(inventory({"meeting": {"kind": "whisperx", "model": MODEL, **more}}))


def lies(kit: Kit, model: str) -> set[str]:
    folder = Path(kit.environment["XDG_CACHE_HOME"]) / "greffier" / "models" / model.replace("/", "--")
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {".greffier.json"}


def test_check_finds_it_before_a_deploy(kit: Kit, address: str) -> None:
    write(kit)
    assert "speaker-diarization" not in kit.cli("check").stdout  # no token, nothing gated is wanted
    write(kit, diarizer="pyannote")
    told = kit.cli("check", status=2).stderr
    assert "diarizer pyannote needs a token for the hub" in told and f"https://huggingface.co/{COMMUNITY}" in told

    write(kit, secrets=TOKEN)
    told = kit.cli("check", HF_TOKEN="hf_other").stdout
    assert f"{COMMUNITY} is gated, and the token in HF_TOKEN gives no access: accept its terms at {address}" in told
    assert "Until then the service runs without it." in told
    assert "speaker-diarization" not in kit.cli("check", HF_TOKEN="hf_accepted").stdout

    write(kit, secrets=TOKEN, diarizer="pyannote")
    assert "gives no access" in kit.cli("check", status=2, HF_TOKEN="hf_other").stderr
    told = kit.cli("check", status=2, HF_TOKEN="hf_revoked").stderr
    assert "the hub rejects the token in HF_TOKEN" in told and "/settings/tokens" in told
    assert kit.cli("check", HF_TOKEN="hf_accepted").stdout.endswith("is valid.\n")


def test_a_hub_out_of_reach_is_no_error_of_the_inventory(kit: Kit) -> None:
    write(kit, secrets=TOKEN, diarizer="pyannote")
    told = kit.cli("check", HF_TOKEN="hf_accepted", HF_ENDPOINT="http://127.0.0.1:1").stdout
    assert f"access to {COMMUNITY} could not be checked" in told and told.endswith("is valid.\n")


def test_a_deploy_that_needs_a_gated_model_ends_before_anything_changes(kit: Kit, address: str) -> None:
    write(kit, secrets=TOKEN, diarizer="pyannote")
    told = kit.cli("deploy", status=3, HF_TOKEN="hf_other").stderr
    assert f"accept its terms at {address}/{COMMUNITY}" in told and "Nothing was changed on the host." in told
    assert not lies(kit, COMMUNITY) and not (kit.root / "etc").exists()


def test_a_plan_has_what_is_to_be_had(kit: Kit) -> None:
    write(kit, secrets=TOKEN)
    assert f"model {COMMUNITY}" not in kit.cli("plan", status=4, HF_TOKEN="hf_other").stdout
    assert f"model {COMMUNITY}" not in kit.cli("plan", status=4, HF_TOKEN="x", HF_ENDPOINT="http://127.0.0.1:1").stdout
    told = kit.cli("plan", status=4, HF_TOKEN="hf_accepted").stdout
    assert f"model {COMMUNITY}" in told and "model greffier/open-diarization" in told


def test_models_pull_brings_all_of_a_model_once_the_terms_are_accepted(kit: Kit, accounts: dict[str, bool]) -> None:
    write(kit, secrets=TOKEN)
    refused = kit.cli("models", "pull", COMMUNITY, HF_TOKEN="hf_other")
    assert "the token gives no access (403)" in refused.stderr and not lies(kit, COMMUNITY)
    accounts["hf_other"] = True
    kit.cli("models", "pull", COMMUNITY, HF_TOKEN="hf_other")
    assert lies(kit, COMMUNITY) == FILES[COMMUNITY].keys() - {"README.md"}

    # Half of it is lost, and the terms are withdrawn: that is named, and what is right stays.
    cache = Path(kit.environment["XDG_CACHE_HOME"]) / "greffier" / "models" / COMMUNITY.replace("/", "--")
    (cache / "plda/plda.npz").unlink()
    accounts["hf_other"] = False
    assert "gives no access" in kit.cli("models", "pull", COMMUNITY, HF_TOKEN="hf_other").stderr
    accounts["hf_other"] = True
    assert f"fetched {COMMUNITY}" in kit.cli("models", "pull", COMMUNITY, HF_TOKEN="hf_other").stdout
    assert lies(kit, COMMUNITY) == FILES[COMMUNITY].keys() - {"README.md"}


def test_a_model_made_of_others_brings_them_and_one_that_aligns_words_its_own_files(kit: Kit) -> None:
    write(kit, secrets=TOKEN, diarization_model="pyannote/speaker-diarization-3.1", alignment={"fr": FRENCH})
    parts = ("pyannote/speaker-diarization-3.1", "pyannote/segmentation-3.0", "pyannote/wespeaker-voxceleb-resnet34-LM")
    for model in (*parts, FRENCH):
        kit.cli("models", "pull", model, HF_TOKEN="hf_accepted")
        assert lies(kit, model) == FILES[model].keys() - ({"pytorch_model.bin"} if model == FRENCH else set())


def test_a_folder_of_the_hosts_stands_in_for_the_hub_and_is_looked_for(kit: Kit, tmp_path: Path) -> None:
    write(kit, diarizer="pyannote", diarization_model=str(tmp_path / "diarization"))
    assert kit.cli("check").stdout.endswith("is valid.\n")
    told = kit.cli("deploy", status=3).stderr
    assert f"{tmp_path}/diarization does not exist on here; meeting needs the diarization model in it." in told
    assert "Copy the model's folder there" in told and not (kit.root / "etc").exists()
