"""The examples of docs/speakers.md, run as they stand there but for address and key."""

import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.heard import plain
from tests.integration.kit import JFK, MODEL, ROOT, Kit, deployed, inventory
from tests.integration.test_api_page import examples, ran

PAGE = (ROOT / "docs" / "speakers.md").read_text()
ANNA = (21.9, 27.8)
"""Seconds of the meeting in which only the second speaker speaks, by its reference."""


@pytest.fixture(scope="module")
def meetings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    service = {"kind": "whisperx", "model": MODEL, "start_timeout": "5m"}
    with deployed(tmp_path_factory.mktemp("meetings"), inventory({"whisperx": service})) as kit:
        yield kit


@pytest.fixture
def folder(meetings: Kit, tmp_path: Path) -> Path:
    """Half a minute of two people on the telephone, as pyannote.audio's package has it; a clip of the second; a call
    with a speaker on each channel."""
    environments = meetings.root / "opt" / "environments"
    (sample,) = environments.glob("whisperx-*/lib/python3*/site-packages/pyannote/audio/sample/sample.wav")
    (tmp_path / "meeting.wav").write_bytes(sample.read_bytes())
    with wave.open(str(sample)) as whole, wave.open(str(tmp_path / "anna.wav"), "wb") as clip:
        clip.setparams(whole.getparams())
        first, last = (int(second * whole.getframerate()) for second in ANNA)
        whole.setpos(first)
        clip.writeframes(whole.readframes(last - first))
    with wave.open(str(JFK)) as whole, wave.open(str(tmp_path / "call.wav"), "wb") as call:
        call.setparams(whole.getparams())
        call.setnchannels(2)
        said = whole.readframes(whole.getnframes())
        samples = [said[at : at + 2] for at in range(0, len(said), 2)]
        call.writeframes(b"".join(each + b"\0\0" for each in samples) + b"".join(b"\0\0" + each for each in samples))
    return tmp_path


def test_python_examples(meetings: Kit, folder: Path) -> None:
    told = ran(meetings, folder, sys.executable, "-c", examples(meetings, "python", PAGE, "whisperx"))
    assert " A: " in told and " B: " in told  # with times
    assert "\nA: " in told and "\nB: " in told  # of the stream
    assert told.endswith("['A', 'Anna']\n")


def test_curl_examples(meetings: Kit, folder: Path) -> None:
    told = ran(meetings, folder, "bash", "-ec", examples(meetings, "sh", PAGE, "whisperx"))
    assert "SPEAKER_00" in told and "SPEAKER_01" in told and '"words"' in told
    assert plain(told).count("fellow americans") == 2
