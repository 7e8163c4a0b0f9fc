"""Jobs and what goes wrong: processes killed, disks full, files torn. Each service is a process of its own."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stt_testing import sounds
from stt_testing.service import Service, in_process, until

PATH = "/v1/audio/transcriptions"
TOY = [sys.executable, str(Path(__file__).parent / "toy_process.py")]


@contextmanager
def service(folder: Path, **environment: str) -> Iterator[tuple[Service, "subprocess.Popen[bytes]"]]:
    folder.mkdir(exist_ok=True)
    variables = {"STT_JOBS_DIR": str(folder / "jobs"), **environment}
    with in_process(TOY, variables, "toy", folder / "log") as running:
        yield running


def submit(running: Service, message: str, **fields: str) -> dict[str, Any]:
    answer = running.post(sounds.clip(2), user_uuid="u", message_id=message, **fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def shown(running: Service, job: str) -> dict[str, Any]:
    body: dict[str, Any] = running.get(f"{PATH}/{job}").json()
    return body


def state(folder: Path) -> str:
    """Of the only job."""
    connection = sqlite3.connect(folder / "jobs" / "jobs.sqlite3")
    try:
        return str(connection.execute("SELECT status FROM jobs").fetchone()[0])
    finally:
        connection.close()


def kill(child: "subprocess.Popen[bytes]") -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def begun(running: Service, job: str, attempt: int) -> None:
    until(lambda: shown(running, job)["attempts"] == attempt, f"attempt {attempt} has begun")


def test_a_killed_process_loses_no_job(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with service(tmp_path, TOY_GATE=str(gate)) as (running, child):
        jobs = [submit(running, str(number))["job_id"] for number in range(4)]
        until(lambda: shown(running, jobs[0])["status"] == "processing", "the first is processed")
        kill(child)
    assert float((tmp_path / "jobs" / "wake_at").read_text()) == 0
    with service(tmp_path) as (running, _):
        for job in jobs:
            until(lambda job=job: shown(running, job)["status"] == "completed", "done after all")  # type: ignore[misc]
        assert max(shown(running, job)["attempts"] for job in jobs) == 2


def test_a_job_that_ends_the_process_each_time_fails(tmp_path: Path) -> None:
    job = ""
    for attempt in range(1, 4):
        with service(tmp_path, TOY_GATE=str(tmp_path / "never")) as (running, child):
            job = job or submit(running, "poison")["job_id"]
            begun(running, job, attempt)
            kill(child)
    with service(tmp_path) as (running, _):
        until(lambda: shown(running, job)["status"] == "failed", "given up")
        assert shown(running, job)["error"] == (
            "The service ended 3 times while it worked on this job, so it is not tried again."
        )


def test_a_stop_gives_jobs_back_without_counting_an_attempt(tmp_path: Path) -> None:
    with service(tmp_path, TOY_GATE=str(tmp_path / "never"), STT_STOP_SECONDS="2") as (running, child):
        job = submit(running, "1")["job_id"]
        until(lambda: shown(running, job)["status"] == "processing", "processed")
        child.terminate()
        until(lambda: state(tmp_path) == "queued", "it is given back")
        kill(child)  # the toy's forward never ends
    with service(tmp_path) as (running, _):
        until(lambda: shown(running, job)["status"] == "completed", "done")
        assert shown(running, job)["attempts"] == 1


def test_a_torn_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    with service(tmp_path) as (running, _):
        job = submit(running, "1")["job_id"]
        until(lambda: shown(running, job)["status"] == "completed", "done")
    path = folder / "jobs.sqlite3"
    content = bytearray(path.read_bytes())
    content[1000:9000] = os.urandom(8000)
    path.write_bytes(content)
    (folder / "jobs.sqlite3-wal").unlink(missing_ok=True)
    ended = subprocess.run(
        TOY, env={**os.environ, "STT_PORT": "0", "STT_MODEL": "toy", "STT_JOBS_DIR": str(folder)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "jobs.sqlite3 is damaged" in last and "backup" in last


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with service(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite3") as connection:
        connection.execute("UPDATE greffier_migration SET version_num = '9999'")
    connection.close()
    ended = subprocess.run(
        TOY, env={**os.environ, "STT_PORT": "0", "STT_MODEL": "toy", "STT_JOBS_DIR": str(tmp_path / "jobs")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1 and "is at version 9999" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@127.0.0.1:1/x", "mysql://u:hunter2@h/x", "nonsense hunter2"])
def test_a_wrong_database_url_ends_with_the_reason_and_without_the_password(tmp_path: Path, url: str) -> None:
    ended = subprocess.run(
        TOY,
        env={
            **os.environ, "STT_PORT": "0", "STT_MODEL": "toy", "STT_JOBS_DIR": str(tmp_path), "DATABASE_URL": url,
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1 and "hunter2" not in ended.stdout + ended.stderr
    assert "DATABASE_URL" in ended.stderr.splitlines()[-1] or "postgresql://" in ended.stderr.splitlines()[-1]
