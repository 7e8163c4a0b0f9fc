"""Cores, settings and model files: what a process finds out before it serves."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stt_core import cores, settings
from stt_core.engine import modeldir
from stt_core.errors import StartError


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_cores_are_those_of_the_container(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert cores.available(tmp_path) == (expected or len(os.sched_getaffinity(0)))


def test_settings_by_their_own_and_by_known_names() -> None:
    variables = {"WHISPER__MODEL": "a/b", "UVICORN_PORT": "9000", "STT_PORT": "9001", "STT_HOST": ""}
    found = settings.from_environment(variables)
    assert (found.model, found.port, found.host) == ("a/b", 9001, "127.0.0.1")


def test_a_wrong_setting_names_its_variable() -> None:
    with pytest.raises(StartError, match=r"WHISPER__INFERENCE_DEVICE='tpu'.*STT_QUEUE='0'"):
        settings.from_environment({"WHISPER__INFERENCE_DEVICE": "tpu", "STT_QUEUE": "0"})


def test_libraries_are_told_not_to_report_before_any_is_imported() -> None:
    program = """
import os, sys
from stt_core.errors import StartError
from stt_core.server import main
from stt_core.settings import Settings

def build(settings):
    raise StartError(os.environ["ORT_DISABLE_TELEMETRY"] + str("onnxruntime" in sys.modules))

main(build, [], Settings())
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        (sys.executable, "-c", program),
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "1False\n"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "a--b"
    folder.mkdir()
    file = folder / "model.bin"
    file.write_bytes(b"weights")
    status = file.stat()
    entry = {
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    record = {"name": "a/b", "revision": None, "files": {"model.bin": entry}}
    (folder / ".greffier.json").write_text(json.dumps(record))
    return tmp_path


def test_a_whole_model_is_taken(models: Path) -> None:
    assert modeldir.verified(models, "a/b") == models / "a--b"
    os.utime(models / "a--b/model.bin", ns=(1, 1))  # copied elsewhere: hashed again
    assert modeldir.verified(models, "a/b") == models / "a--b"


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.bin", b"Weights", "not the file that was pinned"),
        ("model.bin", None, "is missing"),
        (".greffier.json", None, "is missing"),
        (".greffier.json", b"{", "is damaged"),
        (".greffier.json", b'{"files": {"../x": {"sha256": "0"}}}', "outside"),
    ],
)
def test_anything_else_is_not_loaded(models: Path, file: str, content: bytes | None, said: str) -> None:
    path = models / "a--b" / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartError, match=said) as caught:
        modeldir.verified(models, "a/b")
    assert "greffier deploy" in str(caught.value)
    assert Path(file).name in str(caught.value)


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b/c", "a/..", "", "a b"])
def test_odd_names_are_no_models(tmp_path: Path, name: str) -> None:
    with pytest.raises(StartError):
        modeldir.verified(tmp_path, name)
