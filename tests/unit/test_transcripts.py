"""Where transcripts may not go: over a recording, and two into one file."""

from pathlib import Path

import pytest

from deploy.cli import progress, transcripts
from deploy.client.recordings import find
from deploy.client.transcribe import Wish
from deploy.errors import KitError


def test_a_recording_is_not_written_over_by_its_transcript(tmp_path: Path) -> None:
    recording, link = tmp_path / "talk.wav", tmp_path / "link.wav"
    recording.write_bytes(b"sound")
    link.symlink_to(recording)
    with progress.reporter() as report:
        for output in (recording, link, tmp_path / "." / "talk.wav"):
            with pytest.raises(KitError, match="is the recording itself"):
                transcripts.each(
                    [str(recording)], output, Wish("text"), lambda source: pytest.fail("it is not sent"), report
                )
        transcripts.each([str(recording)], tmp_path / "talk.txt", Wish("text"), lambda source: "words", report)
    assert recording.read_bytes() == b"sound" and (tmp_path / "talk.txt").read_text() == "words"


def test_two_recordings_never_share_a_transcript(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "talk.wav").write_bytes(b"sound")
    both = [str(tmp_path / "one"), str(tmp_path / "two")]
    with pytest.raises(
        KitError, match=r"one/talk.wav and .*two/talk.wav would have one transcript: .*out/talk.wav.txt"
    ):
        find(both, tmp_path / "out", "text", recursive=False)
    beside = find(both, None, "text", recursive=False).wanted
    assert [one.transcript for one in beside] == [tmp_path / "one" / "talk.txt", tmp_path / "two" / "talk.txt"]
