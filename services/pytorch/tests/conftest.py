"""One process of the service with base's real weights, and one engine, for all tests that do not end them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stt_core import cores
from stt_pytorch.engine import PyTorchWhisper
from stt_pytorch.hardware import hardware
from stt_testing.asserts import discreet
from stt_testing.service import Service, in_process, required

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

OTHERS = ("ctranslate2", "faster_whisper", "whisperx")
"""Libraries of the kinds whose code it runs; its own image has none of them."""
COMMAND = (
    f"import runpy, sys; sys.modules.update(dict.fromkeys({OTHERS!r})); "
    "runpy.run_module('stt_pytorch', run_name='__main__', alter_sys=True)"
)
BASE, TINY, OPEN = "openai/whisper-base", "openai/whisper-tiny", "greffier/open-diarization"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BASE with its weights, TINY with a few random ones, and the open diarizer."""
    from conversion import converted, shrunk

    there = required("STT_TEST_MODELS")
    folder = tmp_path_factory.mktemp("models")
    base = folder / BASE.replace("/", "--")
    converted(there / "Systran--faster-whisper-base", base)
    shrunk(base, folder / TINY.replace("/", "--"))
    name = OPEN.replace("/", "--")
    assert (there / name).is_dir(), f"{there} lacks {OPEN}: `make test` fetches it."
    (folder / name).symlink_to(there / name)
    return folder


@pytest.fixture(scope="session")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    environment = {"STT_MODELS_DIR": str(models), "STT_MODELS": TINY, "STT_DIARIZER": "open"}
    with in_process([sys.executable, "-c", COMMAND], environment, BASE, log) as (running, _):
        yield running
    assert len(discreet(log)) > 1  # whatever the tests have sent


@pytest.fixture(scope="session")
def engine(models: Path) -> PyTorchWhisper:
    loaded = PyTorchWhisper(models, hardware("auto", "auto", cores.available()))
    loaded.load(BASE)
    return loaded
