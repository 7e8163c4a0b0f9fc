"""Who said what, on a real host: its image is built there, and a recording of two people wakes it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vps.engine import CACHE
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import MODEL, Client, Laptop, host, inventory, until

IMAGE = "docker image inspect $(docker image ls --quiet greffier/whisperx) --format"
CONTAINER = "docker inspect $(docker ps --all --quiet --filter label=greffier.service=whisperx) --format"
SERVICE = {"kind": "whisperx", "model": MODEL, "idle": "10m"}


@pytest.fixture(scope="module")
def meeting() -> bytes:
    """Half a minute of a telephone call between two people, as pyannote.audio's package has it."""
    (wheel,) = (CACHE / "wheels").glob("pyannote_audio-*.whl")
    with zipfile.ZipFile(wheel) as package:
        return package.read("pyannote/audio/sample/sample.wav")


@pytest.fixture(scope="module")
def wren(internet: Internet) -> Iterator[Host]:
    internet.publish("download.pytorch.org", "whl/cpu", CACHE / "pytorch")
    with Host("wren", internet, "server") as wren:
        yield wren


def test_a_service_that_sleeps_wakes_and_tells_two_people_apart(
    tmp_path: Path, internet: Internet, wren: Host, meeting: bytes
) -> None:
    laptop = Laptop(tmp_path / "office", internet, inventory({"wren": host("wren")}, {"whisperx": SERVICE}))
    laptop.cli("setup", "wren")
    laptop.cli("deploy")
    assert laptop.cli("plan").strip() == "wren: nothing to do."
    until(lambda: laptop.state("whisperx")["state"] == "asleep", "it sleeps until somebody calls")
    with Client(wren, laptop.user("anna")).http("whisperx.wren.test") as http:
        form = {"language": "en", "diarize": "true", "max_speakers": "4"}
        answer = http.post("/transcribe", files={"file": ("meeting.wav", meeting)}, data=form)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert set(said) == {"segments", "language"} and said["language"] == "en"
        assert {segment["speaker"] for segment in said["segments"]} == {"SPEAKER_00", "SPEAKER_01"}
        assert all(word["end"] >= word["start"] for segment in said["segments"] for word in segment["words"])
        openai = {"model": "whisper-1", "response_format": "diarized_json"}
        answer = http.post("/v1/audio/transcriptions", files={"file": ("meeting.wav", meeting)}, data=openai)
        assert {segment["speaker"] for segment in answer.json()["segments"]} == {"A", "B"}
    assert laptop.state("whisperx")["state"] == "ready"
    # What it runs as, and what it does not carry.
    assert wren.ssh(f"{CONTAINER} '{{{{.Config.User}}}} {{{{.HostConfig.ReadonlyRootfs}}}}'") == "10001:10001 true\n"
    assert int(wren.ssh(f"{IMAGE} '{{{{.Size}}}}'")) < 2_000_000_000
    programs = "docker exec greffier-whisperx sh -c 'command -v ffmpeg git cc || echo none'"
    assert wren.ssh(programs) == "none\n"
