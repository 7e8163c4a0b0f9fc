"""The whisperx service as it is deployed: who said what, without a token that opens anything."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import hub
from tests.integration.kit import MODEL, ROOT, Kit, deployed, inventory

COMMUNITY = "pyannote/speaker-diarization-community-1"


@pytest.fixture(scope="module")
def conversation() -> Path:
    """Two people on the telephone, thirty seconds: it comes with pyannote.audio."""
    (found,) = (ROOT / ".venvs/whisperx").glob("lib/python*/site-packages/pyannote/audio/sample/sample.wav")
    return found


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Deployed with a token whose account has not accepted the terms of the gated model."""
    folder = tmp_path_factory.mktemp("meeting")
    gated = folder / "hub" / COMMUNITY / "config.yaml"
    gated.parent.mkdir(parents=True)
    gated.write_text("pipeline: {}\n")
    service = {"kind": "whisperx", "model": MODEL, "start_timeout": "5m", "secrets": {"HF_TOKEN": "env:HF_TOKEN"}}
    with (
        hub.gated(folder / "hub", {"hf_other": False}) as address,
        deployed(folder, inventory({"meeting": service}), HF_ENDPOINT=address, HF_TOKEN="hf_other") as kit,
    ):
        yield kit


def test_a_deploy_goes_on_without_the_gated_model_and_says_so(meeting: Kit) -> None:
    assert f"{COMMUNITY} is gated, and the token in HF_TOKEN gives no access" in meeting.told
    assert "Until then the service runs without it." in meeting.told
    again = meeting.cli("deploy")
    assert "nothing to do" in again.stdout and "gives no access" in again.stderr
    doctor = json.loads(meeting.cli("doctor", "--json", status=3).stdout)
    assert any("gives no access" in finding["advice"] for finding in doctor["here"])


def test_who_said_what(meeting: Kit, conversation: Path) -> None:
    with meeting.http() as client, conversation.open("rb") as file:
        answer = client.post("/meeting/transcribe", files={"file": file}, data={"diarize": "true", "language": "en"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said.keys() == {"segments", "language"} and said["language"] == "en"
    assert {segment["speaker"] for segment in said["segments"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert all(segment["words"] for segment in said["segments"])

    with meeting.openai(base=f"{meeting.origin}/meeting/v1") as client, conversation.open("rb") as file:
        diarized = client.audio.transcriptions.create(
            model=MODEL, file=file, response_format="diarized_json", chunking_strategy="auto", language="en"
        )
    assert {segment.speaker for segment in diarized.segments} == {"A", "B"}
    letters = {"SPEAKER_00": "A", "SPEAKER_01": "B"}
    assert [letters[segment["speaker"]] for segment in said["segments"]] == [s.speaker for s in diarized.segments]
