"""Jobs on a real PostgreSQL: several services share one queue, and each other's recordings."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_jobs_faults import kill, service, shown, submit

from stt_core.jobs import sharing
from stt_testing import postgres
from stt_testing.service import Service, until

PATH = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def shared(database: str, queue: str, port: int = 0) -> dict[str, Any]:
    address = f"http://127.0.0.1:{port}" if port else ""
    return {"DATABASE_URL": database, "STT_JOBS_QUEUE": queue, "STT_JOBS_KEY": "shared", "STT_JOBS_ADDRESS": address}


def completed(running: Service, job: str) -> bool:
    return bool(shown(running, job)["status"] == "completed")


def test_a_job_of_one_service_is_done_and_seen_by_another(tmp_path: Path, database: str) -> None:
    """The first one's forwards wait for ever; what it took is done by the second, which asks it for the recording."""
    gates = {"TOY_GATE": str(tmp_path / "never")}
    port = free_port()
    with ExitStack() as stack:
        first, _ = stack.enter_context(
            service(tmp_path / "1", **gates, **shared(database, "two", port) | {"STT_PORT": str(port)})
        )
        jobs = [submit(first, str(number))["job_id"] for number in range(20)]
        second, _ = stack.enter_context(service(tmp_path / "2", **shared(database, "two")))
        until(lambda: sum(completed(second, job) for job in jobs) >= 12, "the second does what is left")
        done = [job for job in jobs if completed(second, job)]
        assert {shown(first, job)["text"] for job in done} == {"second0"}
        again = submit(second, "0")
        assert again["job_id"] == jobs[0] and again["cached"]
        (tmp_path / "never").touch()


def test_recordings_are_given_to_who_has_the_key_alone(tmp_path: Path, database: str) -> None:
    with service(tmp_path, TOY_GATE=str(tmp_path / "never"), **shared(database, "key")) as (running, child):
        submit(running, "1")
        (recording,) = (tmp_path / "jobs" / "recordings").iterdir()
        url = f"{running.url}/v1/internal/recordings/{recording.name}"
        for headers in ({}, {sharing.HEADER: "00"}):
            assert httpx.get(url, headers=headers).status_code == 404
        signed = {sharing.HEADER: sharing.signature("shared", recording.name)}
        assert httpx.get(url, headers=signed).content == recording.read_bytes()
        other = {sharing.HEADER: sharing.signature("shared", "f" * 32)}
        assert httpx.get(url, headers=other).status_code == 404
        kill(child)


def test_nothing_is_done_twice_by_two(tmp_path: Path, database: str) -> None:
    with ExitStack() as stack:
        both = [
            stack.enter_context(service(tmp_path / name, **shared(database, "twice", port) | {"STT_PORT": str(port)}))[
                0
            ]
            for name, port in (("1", free_port()), ("2", free_port()))
        ]
        jobs = [submit(both[number % 2], str(number))["job_id"] for number in range(60)]
        for job in jobs:
            until(lambda job=job: completed(both[0], job), "all are done")  # type: ignore[misc]
        assert Counter(shown(both[1], job)["attempts"] for job in jobs) == {1: 60}
        for running in both:
            until(lambda running=running: not running.get("/status").json()["wake_at"], "idle")  # type: ignore[misc]
        until(lambda: not [*tmp_path.glob("*/jobs/recordings/*")], "each deletes its own recordings")


def test_a_stop_gives_jobs_to_the_others_at_once(tmp_path: Path, database: str) -> None:
    port = free_port()
    gate = tmp_path / "gate"
    with ExitStack() as stack:
        first, _ = stack.enter_context(
            service(tmp_path / "1", TOY_GATE=str(gate), **shared(database, "stop", port) | {"STT_PORT": str(port)})
        )
        job = submit(first, "1")["job_id"]
        until(lambda: shown(first, job)["status"] == "processing", "processed")
        threading.Timer(1, gate.touch).start()
    with service(tmp_path / "1", **shared(database, "stop", port) | {"STT_PORT": str(port)}) as (again, _):
        until(lambda: completed(again, job), "done")
        assert shown(again, job)["attempts"] == 1


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
