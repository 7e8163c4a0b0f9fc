"""Jobs as an operator and a caller of the command line have them: a folder, and what became of each recording."""

import io
import json
import os
import signal
import subprocess
import time
import wave
from pathlib import Path
from typing import Any

import pytest

from tests.heard import plain
from tests.integration.kit import JFK, PATIENCE, SAID, Kit, until


def _key(kit: Kit) -> dict[str, str]:
    return {"GREFFIER_API_KEY": kit.api_key}


def _listed(kit: Kit, *words: str) -> list[dict[str, Any]]:
    return list(json.loads(kit.cli("jobs", "list", "--json", *words, **_key(kit)).stdout))


def _recording(path: Path, mark: int) -> Path:
    """The same speech in a file of its own: what follows the samples is of no meaning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(JFK.read_bytes() + b"LIST" + (4).to_bytes(4, "little") + mark.to_bytes(4, "little"))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three recordings, one of them below; a file that only looks like one; and what is none."""
    folder = tmp_path / "archive"
    mark = time.monotonic_ns() % 1_000_000
    _recording(folder / "talk.wav", mark)
    _recording(folder / "talk.mp3", mark + 1)
    _recording(folder / "2026" / "an interview.WAV", mark + 2)
    (folder / "2026" / "broken.ogg").write_text("this is no audio")
    (folder / "notes.txt").write_text("mine")
    (folder / "._talk.wav").write_bytes(b"what another system leaves")
    return folder


def _transcripts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.srt"))}


def test_a_folder_goes_through_and_again_only_what_is_missing(kit: Kit, archive: Path) -> None:
    kit.asleep()
    words = ("transcribe", str(archive), "--recursive", "--format", "srt")
    done = kit.cli(*words, **_key(kit), status=3)
    assert "broken.ogg: " in done.stderr and "1 of 4 could not be transcribed" in done.stderr
    assert "3 files transcribed." in done.stderr
    found = _transcripts(archive)
    assert list(found) == ["2026/an interview.srt", "talk.mp3.srt", "talk.wav.srt"]  # neither takes the other's name
    assert all("-->" in text and "your country" in text for text in found.values())
    assert not list(archive.rglob(".*part"))

    before = {job["job_id"] for job in _listed(kit)}
    corrected = archive / "talk.wav.srt"
    corrected.write_text("corrected by hand")
    (archive / "2026" / "an interview.srt").unlink()
    (archive / "2026" / "broken.ogg").unlink()
    done = kit.cli(*words, **_key(kit))
    assert "1 file transcribed, 2 already there." in done.stderr
    assert _transcripts(archive) == found | {"talk.wav.srt": "corrected by hand"}
    assert {job["job_id"] for job in _listed(kit)} == before  # it was not even sent again

    os.utime(corrected, (0, 0))
    done = kit.cli(*words, **_key(kit))
    assert "talk.wav.srt is older than its recording and was kept" in done.stderr
    assert "Nothing to do: 3 files transcribed already." in done.stderr


def test_a_folder_into_another_and_without_what_is_below(kit: Kit, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kit.cli("transcribe", str(archive), "-o", str(out), **_key(kit))
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == ["talk.mp3.txt", "talk.wav.txt"]
    assert plain((out / "talk.wav.txt").read_text()) == SAID
    empty = tmp_path / "empty"
    empty.mkdir()
    told = kit.cli("transcribe", str(empty), **_key(kit), status=2).stderr
    assert "has no audio or video files. --recursive looks into the folders below it too." in told
    assert "cannot be combined" in kit.cli("transcribe", str(archive), "-", **_key(kit), status=2).stderr
    assert "--stream" in kit.cli("transcribe", str(archive), "--stream", **_key(kit), status=2).stderr
    told = kit.cli("transcribe", str(archive), GREFFIER_API_KEY="wrong", status=3).stderr
    assert told.count("greffier users add") == 1


def test_a_folder_is_gone_on_with_after_ctrl_c(kit: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    mark = time.monotonic_ns() % 1_000_000
    for number in range(6):
        _recording(folder / f"{number}.wav", mark + number)
    child = subprocess.Popen(
        kit.command("transcribe", str(folder)),
        env={**kit.environment, "GREFFIER_INVENTORY": str(kit.path), **_key(kit)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr
    for line in child.stderr:
        if line.startswith("Wrote "):
            break
    child.send_signal(signal.SIGINT)
    rest = child.stderr.read()
    assert child.wait(PATIENCE) == 130 and "Traceback" not in rest
    assert not list(folder.glob(".*"))
    there = len(list(folder.glob("*.txt")))
    assert there >= 1
    kit.cli("transcribe", str(folder), **_key(kit))
    assert all(plain(path.read_text()) == SAID for path in folder.glob("*.txt"))
    assert len(list(folder.glob("*.txt"))) == 6


def test_a_service_that_keeps_no_jobs_is_sent_one_after_the_other(tight: Kit, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    _recording(folder / "a.wav", 1)
    _recording(folder / "b.wav", 2)
    done = tight.cli("transcribe", str(folder), **_key(tight))
    assert "whisper keeps no jobs: the files are sent one after the other." in done.stderr
    assert [plain(path.read_text()) for path in sorted(folder.glob("*.txt"))] == [SAID, SAID]
    told = tight.cli("jobs", "list", **_key(tight), status=3).stderr
    assert "This service takes no jobs." in told and "jobs: {enabled: true}" in told


def _long() -> bytes:
    """The same speech for a quarter of an hour: more than is done before somebody can end it."""
    with wave.open(str(JFK)) as file:
        parameters, samples = file.getparams(), file.readframes(file.getnframes())
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams(parameters)
        file.writeframes(samples * 80)
    return buffer.getvalue()


def _submit(kit: Kit, user: str, message: str, audio: bytes) -> str:
    with kit.http() as client:
        answer = client.post(
            "/whisper/v1/audio/transcriptions",
            files={"file": ("a.wav", audio)},
            data={"user_uuid": user, "message_id": message},
        )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["job_id"])


def test_jobs_are_listed_shown_ended_tried_again_taken_along_and_erased(kit: Kit, tmp_path: Path) -> None:
    kit.awake()
    user = f"user\x1b[31m-{time.monotonic_ns()}"
    done = _submit(kit, user, "1", JFK.read_bytes())
    until(lambda: _listed(kit, "--user", user)[0]["status"] == "completed", "the first job to end")
    ended = _submit(kit, user, "2", _long())
    assert f"Cancelled {ended}." in kit.cli("jobs", "cancel", ended, **_key(kit)).stdout
    assert f"Job {ended} is queued." in kit.cli("jobs", "retry", ended, **_key(kit)).stdout
    kit.cli("jobs", "cancel", ended, **_key(kit))
    told = kit.cli("jobs", "retry", done, **_key(kit), status=3).stderr
    assert "Only a failed or cancelled job whose recording is still kept" in told
    assert [job["job_id"] for job in _listed(kit, "--user", user)] == [ended, done]
    assert [job["job_id"] for job in _listed(kit, "--user", user, "--limit", "1")] == [ended]
    assert [job["job_id"] for job in _listed(kit, "--user", user, "--status", "cancelled")] == [ended]
    table = kit.cli("jobs", "list", **_key(kit)).stdout
    assert table.startswith("job\tstatus\tplace\tdone\thanded in\tuser\tmessage\terror\n")
    assert done in table and "\x1b" not in table
    shown = kit.cli("jobs", "show", done, **_key(kit)).stdout
    assert "status: completed" in shown and "your country" in shown and "\x1b" not in shown
    assert kit.cli("jobs", "show", done, "-f", "vtt", **_key(kit)).stdout.startswith("WEBVTT")
    assert "has ended already" in kit.cli("jobs", "cancel", done, **_key(kit), status=3).stderr
    assert "There is no job nobody" in kit.cli("jobs", "show", "nobody", **_key(kit), status=3).stderr
    assert "is no id" in kit.cli("jobs", "show", "../../../etc", **_key(kit), status=3).stderr
    told = kit.cli("jobs", "list", "--status", "lost", **_key(kit), status=3).stderr
    assert "queued" in told and "completed" in told

    out = tmp_path / "jobs.jsonl"
    kit.cli("jobs", "export", "--user", user, "-o", str(out), **_key(kit))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["job_id"], bool(line["result"])) for line in lines] == [(ended, False), (done, True)]
    assert plain(lines[1]["result"]["text"]) == SAID and lines[1]["result"]["segments"]
    assert len(kit.cli("jobs", "export", "--user", user, **_key(kit)).stdout.splitlines()) == 2

    assert "needs a terminal" in kit.cli("jobs", "erase", done, **_key(kit), status=2).stderr
    kit.cli("jobs", "erase", done, "--yes", **_key(kit))
    assert [job["job_id"] for job in _listed(kit, "--user", user)] == [ended]
    assert "Erased 1 job." in kit.cli("jobs", "erase", "--user", user, "--yes", **_key(kit)).stdout
    assert _listed(kit, "--user", user) == []
    assert "Name one job" in kit.cli("jobs", "erase", **_key(kit), status=2).stderr
    assert kit.cli("jobs", "webhooks", "--json", **_key(kit)).stdout.strip() == "[]"
    assert "no webhook" in kit.cli("jobs", "resend", "nothing", **_key(kit), status=3).stderr


def test_a_job_waits_while_the_service_sleeps_and_is_done_once_it_wakes(kit: Kit) -> None:
    kit.awake()
    began = kit.state()["starts"]
    # Some work ahead of it, so that it is still there when the service is put to sleep.
    ahead = [_submit(kit, "asleep", f"ahead-{time.monotonic_ns()}", JFK.read_bytes()) for _ in range(3)]
    last = _submit(kit, "asleep", f"last-{time.monotonic_ns()}", JFK.read_bytes())
    kit.ask("sleep", "whisper")
    until(lambda: kit.state()["starts"] > began, "the service to be woken by nothing but its jobs")

    def done(job: str) -> bool:
        return "status: completed" in kit.cli("jobs", "show", job, **_key(kit)).stdout

    until(lambda: all(done(job) for job in (*ahead, last)), "all jobs to end")  # they run side by side, in no order
    for job in (*ahead, last):
        assert plain(json.loads(kit.cli("jobs", "show", job, "--json", **_key(kit)).stdout)["text"]) == SAID
