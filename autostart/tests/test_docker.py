"""Services in containers, with a fake engine and, by `-m engine`, a real one: see engines.py."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engines import Engine, Played, Real
from fake_docker import FakeDocker
from house import DOMAIN, House, free_port, receive, wait_until

FAKE = "fake"


@pytest.fixture(params=[FAKE, pytest.param("real", marks=pytest.mark.engine)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine: Engine = Played(tmp_path) if request.param == FAKE else Real()
    yield engine
    engine.close()


@pytest.fixture
def harbour(engine: Engine, empty_house: House) -> House:
    """A house with one container, whisper, not started yet."""
    empty_house.environment["DOCKER_HOST"] = engine.host
    add(empty_house, engine)
    return empty_house


def add(
    house: House,
    engine: Engine,
    container: str = "whisper",
    *,
    name: str = "whisper",
    environment: dict[str, str] | None = None,
    create: bool = True,
    **keys: Any,
) -> dict[str, Any]:
    """A container and its entry; an entry of that name that is there already is replaced."""
    entry = house.add(name, driver="docker", containers=[engine.name(container)], **keys)
    del entry["process"]
    if create:
        engine.create(house, container, entry["proxyPort"], environment or {})
    return entry


def state(house: House, name: str = "whisper") -> str:
    found: str = house.status(name)["state"]
    return found


def reaches(house: House, wanted: str, name: str = "whisper") -> None:
    wait_until(lambda: state(house, name) == wanted, f"{name} to be {wanted}")


def open_gate(house: House) -> None:
    (house.folder / "gate").touch()


def test_wakes_serves_and_sleeps(harbour: House, engine: Engine) -> None:
    harbour.start()
    assert state(harbour) == "asleep" and not engine.running("whisper")
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda _: harbour.json("/v1/x")[0], range(5)))
    assert answers == [200] * 5 and harbour.starts() == 1
    status = harbour.status()
    entry = harbour.services[f"whisper.{DOMAIN}"]
    assert (status["state"], status["starts"], status["driver"]) == ("ready", 1, "docker")
    assert (status["containers"], status["port"]) == ([engine.name("whisper")], entry["proxyPort"])
    assert status["pid"] and status["draining"] == []
    assert harbour.control("sleep", "whisper")["state"] == "asleep"
    assert not engine.running("whisper") and harbour.status()["pid"] is None
    assert harbour.json("/v1/x")[0] == 200 and harbour.starts() == 2


def test_what_runs_already_is_taken_over_and_outlives_autostart(harbour: House, engine: Engine) -> None:
    engine.start("whisper")
    wait_until(lambda: harbour.starts() == 1, "the container to run")
    harbour.start()
    reaches(harbour, "ready")
    status = harbour.status()
    assert (status["starts"], status["lastStartSeconds"]) == (0, None) and status["pid"]
    with harbour.connect() as sock:
        harbour.wait_at_gate(sock)
        assert harbour.process is not None
        harbour.process.terminate()
        open_gate(harbour)
        assert b"200 OK" in receive(sock, b"}}")  # finished, though autostart ends
    assert harbour.process.wait(20) == 0
    assert engine.running("whisper")
    harbour.start()
    assert state(harbour) == "ready"  # from its first moment, for it was ready before
    harbour.process.kill()
    harbour.process.wait()
    harbour.start()
    assert harbour.json("/v1/x")[0] == 200
    assert harbour.starts() == 1
    assert harbour.control("sleep", "whisper")["state"] == "asleep"
    assert not engine.running("whisper")


def test_what_is_taken_over_goes_to_sleep_when_idle(harbour: House, engine: Engine) -> None:
    harbour.services[f"whisper.{DOMAIN}"]["idleSeconds"] = 0.3
    engine.start("whisper")
    harbour.start()
    wait_until(lambda: not engine.running("whisper"), "the container to be stopped")
    reaches(harbour, "asleep")


def test_what_others_do_with_the_container_is_noticed(harbour: House, engine: Engine) -> None:
    harbour.start()
    engine.start("whisper")
    reaches(harbour, "ready")
    assert harbour.status()["starts"] == 0
    pid = harbour.status()["pid"]
    engine.restart("whisper")
    wait_until(lambda: harbour.status()["pid"] not in (None, pid), "the new run to be noticed")
    reaches(harbour, "ready")
    engine.stop("whisper")
    reaches(harbour, "asleep")
    assert harbour.status()["lastError"] is None
    assert harbour.json("/v1/x")[0] == 200
    engine.remove("whisper")
    reaches(harbour, "asleep")
    status, body = harbour.json("/v1/x")
    reason = f"its container {engine.name('whisper')} is missing; run `greffier deploy` to create it"
    assert (status, body["error"]["message"]) == (503, f"whisper could not be started: {reason}")


def test_end_is_told_with_its_reason(harbour: House, engine: Engine) -> None:
    add(harbour, engine, "broken", name="broken", environment={"FAIL": "no such model"})
    add(harbour, engine, "slow", name="slow", environment={"DELAY": "60"}, startSeconds=5)
    entry = harbour.services[f"whisper.{DOMAIN}"]
    harbour.start()
    status, body = harbour.json("/die", method="POST")
    told = "whisper ended before its answer was complete: it exited with status 3"
    assert (status, body["error"]["message"]) == (502, told)
    reaches(harbour, "asleep")
    assert harbour.status()["lastError"] == "it exited with status 3; it said: out of luck"
    assert "error" not in harbour.control("wake", "whisper")
    with harbour.connect() as sock:
        harbour.wait_at_gate(sock, "POST")
        engine.exhaust("whisper", entry["proxyPort"])
        starved = "it was killed because it ran out of memory (memory limit 64 MiB)"
        assert f"whisper ended before its answer was complete: {starved}".encode() in receive(sock, b"}}")
    reaches(harbour, "asleep")
    assert harbour.status()["lastError"] == f"{starved}; it said: listening"
    assert harbour.json("/health")[1]["error"] == starved
    assert harbour.json("/v1/x")[0] == 200  # at once
    _, body = harbour.json("/v1/x", name="broken")
    assert body["error"]["message"] == "broken could not be started: it exited with status 1"
    assert harbour.status("broken")["lastError"] == "it exited with status 1; it said: no such model"
    _, body = harbour.json("/v1/x", name="slow")
    late = "it did not report ready at /ready within 5 s"
    assert body["error"]["message"] == f"slow could not be started: {late}"
    assert harbour.status("slow")["lastError"] == f"{late}; it said: listening"
    assert not engine.running("slow")


def test_start_is_cut_short(harbour: House, engine: Engine) -> None:
    add(harbour, engine, "slow", name="slow", environment={"DELAY": "60"})
    harbour.start()
    with ThreadPoolExecutor(1) as threads:
        for _ in range(3):
            woken = threads.submit(harbour.control, "wake", "slow")
            wait_until(lambda: state(harbour, "slow") == "starting", "the start to begin")
            assert harbour.control("sleep", "slow")["state"] == "asleep"
            assert "was stopped before" in woken.result()["error"]["message"]
            assert not engine.running("slow")
    harbour.control("status")
    assert state(harbour, "slow") == "asleep"  # no late event has woken it


def test_second_release_takes_over_at_once(harbour: House, engine: Engine) -> None:
    old = dict(harbour.services[f"whisper.{DOMAIN}"])
    harbour.start()
    assert harbour.json("/v1/x")[1]["environment"] == {}
    with harbour.connect() as sock:
        harbour.wait_at_gate(sock)
        new = add(harbour, engine, "second", environment={"TEST_RELEASE": "2"}, release="2", blocking=False)
        engine.start("second")
        wait_until(lambda: harbour.starts("second") == 1, "the container to run")
        harbour.write_config()
        answer = harbour.control("reload")
        assert answer == {"added": [], "changed": ["whisper"], "adjusted": [], "removed": []}
        status = harbour.status()
        assert (status["state"], status["port"]) == ("ready", new["proxyPort"])
        assert status["draining"] == [{"port": old["proxyPort"], "inFlight": 1}]
        answers = [harbour.json("/v1/x") for _ in range(20)]  # it does not hold: each would be refused
        assert {(code, seen["environment"]["TEST_RELEASE"]) for code, seen in answers} == {(200, "2")}
        assert engine.running("whisper")

        harbour.services[f"whisper.{DOMAIN}"] = old  # back again, while the old one still works
        harbour.write_config()
        harbour.control("reload")
        status = harbour.status()
        assert (status["state"], status["port"], status["inFlight"]) == ("ready", old["proxyPort"], 1)
        assert harbour.json("/v1/x")[1]["environment"] == {}
        wait_until(lambda: not engine.running("second"), "the second release to be stopped")
        open_gate(harbour)
        assert b"200 OK" in receive(sock, b"}}")
    assert harbour.status()["draining"] == []
    assert engine.running("whisper") and harbour.starts() == 1

    harbour.services[f"whisper.{DOMAIN}"] = new  # and on, asleep as it is: it is started as usual
    harbour.write_config()
    harbour.control("reload")
    wait_until(lambda: not engine.running("whisper"), "the first release to be stopped")
    new["blocking"] = True
    harbour.write_config()
    harbour.control("reload")
    assert harbour.json("/v1/x")[1]["environment"] == {"TEST_RELEASE": "2"}


def test_held_requests_go_on_to_the_second_release(harbour: House, engine: Engine) -> None:
    add(harbour, engine, "stuck", environment={"DELAY": "600"}, startSeconds=60)
    harbour.start()
    with ThreadPoolExecutor(4) as threads:
        body = os.urandom(400_000)
        waiting = [threads.submit(harbour.json, "/v1/x", method="POST", body=body) for _ in range(4)]
        wait_until(lambda: harbour.status()["held"] == 4, "the requests to be held")
        add(harbour, engine, "second", release="2")
        harbour.write_config()
        harbour.control("reload")
        assert [(code, seen["size"]) for code, seen in (w.result() for w in waiting)] == [(200, 400_000)] * 4
    wait_until(lambda: not engine.running("stuck"), "the stuck one to be stopped")
    assert harbour.starts("second") == 1


def test_hold_swap_release(harbour: House, engine: Engine) -> None:
    harbour.start()
    harbour.control("wake", "whisper")
    port = harbour.services[f"whisper.{DOMAIN}"]["proxyPort"]
    with harbour.connect() as sock, ThreadPoolExecutor(2) as threads:
        harbour.wait_at_gate(sock)
        hold = threads.submit(harbour.control, "hold", "whisper")
        reaches(harbour, "draining")
        request = threads.submit(harbour.json, "/v1/x")
        wait_until(lambda: harbour.status()["held"] == 1, "the request to be held")
        assert engine.running("whisper")
        open_gate(harbour)
        assert b"200 OK" in receive(sock, b"}}")
        assert hold.result()["state"] == "paused" and not engine.running("whisper")
        assert "on hold" in harbour.control("wake", "whisper")["error"]["message"]

        engine.remove("whisper")  # as a deploy does it
        add(harbour, engine, environment={"TEST_RELEASE": "2"}, release="2", proxyPort=port)
        harbour.write_config()
        assert harbour.control("reload")["changed"] == ["whisper"]
        assert harbour.status()["held"] == 1 and state(harbour) == "paused"
        harbour.control("release", "whisper")
        code, seen = request.result()
    assert (code, seen["environment"]) == (200, {"TEST_RELEASE": "2"})


def test_release_before_the_stop_serves_on(harbour: House, engine: Engine) -> None:
    harbour.start()
    harbour.control("wake", "whisper")
    with harbour.connect() as sock, ThreadPoolExecutor(2) as threads:
        harbour.wait_at_gate(sock)
        hold = threads.submit(harbour.control, "hold", "whisper")
        reaches(harbour, "draining")
        request = threads.submit(harbour.json, "/v1/x")
        wait_until(lambda: harbour.status()["held"] == 1, "the request to be held")
        assert harbour.control("release", "whisper")["state"] == "ready"
        assert request.result()[0] == 200
        assert "no longer on hold" in hold.result()["error"]["message"]
        open_gate(harbour)
        assert b"200 OK" in receive(sock, b"}}")
    assert harbour.starts() == 1


def test_needed_containers_start_before_and_stop_after(empty_house: House, tmp_path: Path) -> None:
    engine = Played(tmp_path)
    try:
        empty_house.environment["DOCKER_HOST"] = engine.host
        entry = add(empty_house, engine)
        for needed in ("database", "cache"):
            engine.create(empty_house, needed, free_port(), {})
            entry["containers"].append(engine.name(needed))
        empty_house.start()
        empty_house.control("wake", "whisper")
        empty_house.control("sleep", "whisper")
        assert engine.docker.calls == [
            "start greffier-database",
            "start greffier-cache",
            "start greffier-whisper",
            "stop greffier-whisper",
            "stop greffier-cache",
            "stop greffier-database",
        ]
    finally:
        engine.close()


def test_docker_goes_away_and_comes_back(empty_house: House, tmp_path: Path) -> None:
    engine, house = Played(tmp_path), empty_house
    try:
        house.environment["DOCKER_HOST"] = engine.host
        add(house, engine)
        add(house, engine, "other", name="other")
        house.start()
        pid = house.control("wake", "whisper")["pid"]
        engine.docker.call(engine.docker.down())
        assert house.json("/v1/x")[0] == 200  # the container is not the daemon
        status, body = house.json("/v1/x", name="other")
        assert status == 503 and f"Docker is not responding at {engine.host}" in body["error"]["message"]
        os.kill(pid, signal.SIGKILL)  # nobody is told
        wait_until(lambda: not engine.running("whisper"), "the container to end")
        engine.start("other")
        engine.docker.call(engine.docker.up())
        reaches(house, "asleep")
        assert house.status()["lastError"] == (
            "it was killed (signal 9), perhaps because memory ran out; it said: listening"
        )
        reaches(house, "ready", "other")
        assert "error" not in house.control("wake", "whisper")
    finally:
        engine.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("forwarded", [False, True])
def test_a_request_between_a_death_and_its_news_waits_and_is_answered(
    empty_house: House, tmp_path: Path, method: str, forwarded: bool
) -> None:
    """`forwarded`: as by Docker's own proxy, which takes connections though nobody in the container does."""
    engine, house = Played(tmp_path), empty_house
    try:
        house.environment["DOCKER_HOST"] = engine.host
        engine.docker.forwarding = forwarded
        add(house, engine)
        house.start()
        assert house.json("/v1/x")[0] == 200
        engine.docker.delay = 0.3
        container = engine.docker.containers[engine.name("whisper")]
        os.kill(house.status()["pid"], signal.SIGKILL)
        wait_until(lambda: container.finished > container.began, "it to have ended")
        assert container.running  # as far as autostart can tell
        status, seen = house.json("/v1/x", method=method, body=b"x" if method == "POST" else None)
        assert status == 200, (seen, house.log.read_text())
        assert (seen["number"], house.starts()) == (0, 2)
    finally:
        engine.close()


def test_log_has_no_noise(harbour: House, engine: Engine) -> None:
    """The libraries below write nothing of their own among the lines of JSON."""
    harbour.start()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: harbour.control("wake", "whisper"), range(8)))
    harbour.stop()
    assert all(json.loads(line)["event"] for line in harbour.log.read_text().splitlines())


@pytest.mark.parametrize("turns", range(6))
def test_the_stand_in_ends_though_somebody_is_just_connecting(tmp_path: Path, turns: int) -> None:
    docker = FakeDocker(tmp_path / "docker.sock")
    with socket.socket(socket.AF_UNIX) as client:

        async def come_and_go() -> None:
            client.connect(str(docker.path))
            for _ in range(turns):  # of its loop: how far it has got with the connection
                await asyncio.sleep(0)
            await docker.down()

        docker.call(come_and_go())
        docker.close()
