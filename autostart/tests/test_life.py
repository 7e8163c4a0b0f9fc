"""Waking, sleeping, failing and reloading, with real child processes."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from house import DOMAIN, House, alive, receive, wait_until


def state(house: House, name: str = "whisper") -> str:
    found: str = house.status(name)["state"]
    return found


def test_ten_clients_wake_it_once_and_all_are_answered(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"DELAY": "0.3"})
    house.start()
    assert state(house) == "asleep" and house.starts() == 0
    body = os.urandom(1_000_000)  # more than is taken in while the service wakes
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: house.json("/v1/x", method="POST", body=body), range(10)))
    assert [(status, seen["size"]) for status, seen in answers] == [(200, len(body))] * 10
    assert len({seen["sha256"] for _, seen in answers}) == 1
    status = house.status()
    assert (house.starts(), status["starts"], status["state"]) == (1, 1, "ready")
    assert status["lastStartSeconds"] >= 0.25
    assert [event["new"] for event in house.events("state")] == ["starting", "ready"]


def test_request_that_outlasts_the_idle_time_is_not_cut(empty_house: House) -> None:
    house = empty_house
    house.add(idleSeconds=0.3)
    house.start()
    with house.connect() as sock:
        sock.sendall(f"GET /gate HTTP/1.1\r\nHost: whisper.{DOMAIN}\r\n\r\n".encode())
        wait_until(lambda: state(house) == "ready", "the service to wake")
        wait_until(lambda: house.status()["since"] > 1.2, "several idle times to pass")
        assert house.status()["inFlight"] == 1
        house.json("/health")  # quiet: does not count
        Path(house.folder / "gate").touch()
        assert b"200 OK" in receive(sock, b"}}")
    wait_until(lambda: state(house) == "asleep", "the service to go to sleep")
    pid = int((house.folder / "whisper.starts").read_text())
    assert not alive(pid)
    assert house.status()["pid"] is None
    assert house.json("/v1/x")[0] == 200
    assert house.starts() == 2


def test_quiet_paths_never_wake(empty_house: House) -> None:
    house = empty_house
    openapi = house.folder / "openapi.json"
    openapi.write_text('{"openapi": "3.1.0"}')
    house.add(openapi=str(openapi), idleSeconds=2)
    house.start()
    assert house.json("/health") == (200, {"status": "asleep", "service": "whisper"})
    assert house.json("/status?x") == (200, {"status": "asleep", "service": "whisper"})
    assert house.json("/openapi.json") == (200, {"openapi": "3.1.0"})
    response, body = house.http("/ready")
    assert response.status == 503 and response.getheader("Retry-After")
    assert json.loads(body)["error"]["code"] == "service_asleep"
    metrics = house.http("/metrics")[1].decode()
    assert 'greffier_service_state{service="whisper",state="asleep"} 1' in metrics
    response, body = house.http("/health", method="HEAD")
    assert (response.status, body) == (200, b"")
    assert house.starts() == 0

    house.control("wake", "whisper")
    asked = 0
    while state(house) == "ready":  # asking all the time does not keep it awake
        house.http("/health")
        asked += 1
    assert asked > 1
    wait_until(lambda: state(house) == "asleep", "the service to go to sleep")


def test_one_path_for_health_and_readiness_is_in_order_while_it_sleeps(empty_house: House) -> None:
    house = empty_house
    house.add(healthPath="/ready", readyPath="/ready", quietPaths=["/ready"])
    house.start()
    assert house.json("/ready") == (200, {"status": "asleep", "service": "whisper"})
    house.control("wake", "whisper")
    assert house.json("/ready")[1] != {"status": "asleep", "service": "whisper"}


def test_failed_start_tells_why_and_is_tried_again(empty_house: House) -> None:
    house = empty_house
    entry = house.add(environment={"FAIL": "model.bin has a wrong digest; run cli.py deploy"}, tellsWhy=True)
    house.start()
    response, body = house.http("/v1/x", method="POST", body=b"x" * 300_000)
    error = json.loads(body)["error"]
    assert response.status == 503 and int(response.getheader("Retry-After", "")) >= 1
    assert error["message"] == ("whisper could not be started: model.bin has a wrong digest; run cli.py deploy")
    assert error["type"] == "server_error" and error["code"] == "service_failed"
    assert state(house) == "failed"
    page, html = house.http("/docs", Accept="text/html,*/*;q=0.8")
    assert page.status == 503 and b"wrong digest" in html
    woken = house.control("wake", "whisper")
    assert "wrong digest" in woken["error"]["message"]
    assert house.starts() >= 2
    del entry["process"]["environment"]["FAIL"]
    house.write_config()
    assert house.control("reload")["changed"] == ["whisper"]
    assert house.json("/v1/x")[0] == 200


def test_what_else_can_go_wrong_at_a_start(empty_house: House) -> None:
    house = empty_house
    taken = socket.create_server(("127.0.0.1", 0))
    house.add("taken", proxyPort=taken.getsockname()[1])
    house.add("slow", environment={"DELAY": "60"}, startSeconds=5)  # enough to say that it listens
    house.add("missing")["process"]["command"] = ["/nonexistent/python"]
    house.add("secret")["process"]["environmentFile"] = "/nonexistent/.env"
    house.start()
    wanted = {
        "taken": f"port {taken.getsockname()[1]} is in use by another program",
        "slow": "it did not report ready at /ready within 5 s",
        "missing": "/nonexistent/python cannot be run: No such file or directory",
        "secret": "/nonexistent/.env cannot be read: No such file or directory",
    }
    for name, reason in wanted.items():
        status, body = house.json("/v1/x", name=name)
        assert (status, body["error"]["message"]) == (503, f"{name} could not be started: {reason}")
    assert house.status("slow")["lastError"] == f"{wanted['slow']}; it said: listening"
    assert not alive(int((house.folder / "slow.starts").read_text()))
    taken.close()


def test_what_a_failed_start_said_is_told_to_the_operator_alone(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"FAIL": "postgres://me:hunter2@db does not answer"})
    house.start()
    reason = "whisper could not be started: it exited with status 1"
    assert house.json("/v1/x")[1]["error"]["message"] == reason
    assert b"hunter2" not in house.http("/docs", Accept="text/html")[1]
    assert house.json("/health")[1]["error"] == "it exited with status 1"
    said = f"{reason}; it said: postgres://me:hunter2@db does not answer"
    assert house.control("wake", "whisper")["error"]["message"] == said


def test_a_ready_service_that_dies_is_started_by_the_next_request_however_often(house: House) -> None:
    assert house.json("/v1/x")[0] == 200
    for number, method in enumerate(("GET", "POST", "POST", "GET", "POST"), 2):
        pid = house.status()["pid"]
        os.kill(pid, signal.SIGKILL)
        while alive(pid):  # autostart may not know yet
            pass
        status, seen = house.json("/v1/x", method=method, body=b"x" if method == "POST" else None)
        assert (status, seen["number"], house.starts()) == (200, 0, number)
    ended = [event["reason"] for event in house.events("state") if event["new"] == "draining"]
    assert ended == ["it was killed (signal 9), perhaps because memory ran out; it said: listening"] * 5
    assert "failed" not in {event["new"] for event in house.events("state")}


def test_death_in_the_middle_of_a_request_is_told_and_only_harmless_ones_are_asked_again(
    house: House,
) -> None:
    status, body = house.json("/die", method="POST", body=b"x")
    told = "whisper ended before its answer was complete: it exited with status 3"
    assert (status, body["error"]["message"]) == (502, told)
    wait_until(lambda: state(house) == "asleep", "the end to be noticed")
    assert (house.status()["lastError"], house.starts()) == (
        "it exited with status 3; it said: out of luck",
        1,
    )
    assert house.json("/health")[1] == {
        "status": "asleep",
        "service": "whisper",
        "error": "it exited with status 3",
    }
    with house.connect() as get, house.connect() as post:
        house.wait_at_gate(get)
        house.wait_at_gate(post, "POST", b"x")
        os.kill(house.status()["pid"], signal.SIGKILL)
        answer = receive(post, b"}}")
        assert answer.startswith(b"HTTP/1.1 502 ") and b"it was killed (signal 9)" in answer
        wait_until(lambda: state(house) == "ready", "it to be started for the other")
        Path(house.folder / "gate").touch()
        assert b"200 OK" in receive(get, b"}}")
    assert (house.starts(), house.status()["lastError"]) == (3, None)


def test_what_a_service_said_before_it_ended_still_arrives(house: House) -> None:
    with house.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(f"GET /last-words HTTP/1.1\r\nHost: whisper.{DOMAIN}\r\n\r\n".encode())
        wait_until(lambda: house.status()["lastError"], "the end to be noticed")
        left = 6_000_000  # more than is taken in for a client that does not read; the head makes it end early
        while left > 0:
            piece = sock.recv(1 << 20)
            assert piece, "the answer was cut"
            left -= len(piece)


def test_browsers_get_a_page_and_programs_wait(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"DELAY": "2"})
    house.add("eager", blocking=False, environment={"DELAY": "0.5"})
    house.start()
    response, html = house.http("/docs", Accept="text/html,application/xhtml+xml")
    assert response.status == 503 and response.getheader("Retry-After")
    assert response.getheader("Content-Type") == "text/html; charset=utf-8"
    assert b'http-equiv="refresh"' in html and b"whisper is waking up" in html and b"<script" not in html
    assert state(house) == "starting"
    fetch, _ = house.http("/v1/models", Accept="text/html", Sec_Fetch_Mode="cors")
    assert fetch.status == 200  # held
    assert house.http("/docs", Accept="text/html")[0].status == 200

    status, body = house.json("/v1/x", name="eager", method="POST", body=b"x")
    assert (status, body["error"]["code"]) == (503, "service_starting")
    wait_until(lambda: state(house, "eager") == "ready", "the service to wake")
    assert house.json("/v1/x", name="eager")[0] == 200


def test_held_client_that_goes_away_is_forgotten(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"DELAY": "60"})
    house.start()
    sock = house.connect()
    sock.sendall(f"POST /v1/x HTTP/1.1\r\nHost: whisper.{DOMAIN}\r\nContent-Length: 9\r\n\r\nabc".encode())
    wait_until(lambda: house.status()["held"] == 1, "the request to be held")
    sock.close()
    wait_until(lambda: house.status()["held"] == 0, "the request to be forgotten")
    wait_until(lambda: house.status()["pid"], "the process to run")
    pid = house.status()["pid"]
    assert house.control("sleep", "whisper")["state"] == "asleep"  # in the middle of its start
    assert not alive(pid)


def test_secrets_and_settings_reach_the_service_and_nothing_else_does(empty_house: House) -> None:
    house = empty_house
    secrets = house.folder / ".env"
    secrets.write_text("# comment\n\nSECRET_ONE='a b\\'c\"$d\\'\nSECRET_TWO='\\\\'\n")
    entry = house.add(environment={"TEST_SETTING": "x y"})
    entry["process"]["environmentFile"] = str(secrets)
    os.environ["TEST_STRAY"] = "must not be seen"
    try:
        house.start()
    finally:
        del os.environ["TEST_STRAY"]
    _, seen = house.json("/v1/x")
    assert seen["environment"] == {
        "TEST_SETTING": "x y",
        "SECRET_ONE": "a b'c\"$d\\",
        "SECRET_TWO": "\\\\",
    }
    secrets.write_text("SECRET_ONE=unquoted-value\n")
    house.control("sleep", "whisper")
    _, body = house.json("/v1/x")
    assert "line 1" in body["error"]["message"] and "unquoted" not in body["error"]["message"]
    assert "unquoted" not in house.log.read_text()


def test_stubborn_service_and_its_children_are_ended(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"STUBBORN": "1"}, stopSeconds=0.2)
    house.start()
    pid = house.control("wake", "whisper")["pid"]
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert children
    assert house.control("sleep", "whisper")["state"] == "asleep"
    assert not alive(pid)
    wait_until(lambda: not any(alive(child) for child in children), "its children to end")


def test_killed_autostart_leaves_no_service_and_its_successor_works(house: House) -> None:
    pid = house.control("wake", "whisper")["pid"]
    assert house.process is not None
    house.process.kill()
    house.process.wait()
    wait_until(lambda: not alive(pid), "the service to end with autostart")
    assert house.control_path.exists()  # stale: the successor removes it
    house.start()
    assert house.json("/v1/x")[0] == 200


def test_terminated_autostart_finishes_what_is_in_flight(house: House) -> None:
    pid = house.control("wake", "whisper")["pid"]
    with house.connect() as sock, house.connect() as idle:
        house.wait_at_gate(sock)
        assert house.process is not None
        house.process.terminate()
        assert idle.recv(1) == b""  # closed at once
        assert alive(pid)
        Path(house.folder / "gate").touch()
        assert b"200 OK" in receive(sock, b"}}")
    assert house.process.wait(20) == 0
    assert not alive(pid) and not house.control_path.exists()


def test_reload_drains_what_changed_and_keeps_connections(empty_house: House) -> None:
    house = empty_house
    entry = house.add()
    house.add("other")
    house.start()
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    first = house.json("/v1/x", connection=connection)[1]["pid"]
    other = house.json("/v1/x", name="other")[1]["pid"]
    with house.connect() as sock, ThreadPoolExecutor(1) as threads:
        house.wait_at_gate(sock)
        entry["release"] = "2"
        entry["process"]["environment"]["TEST_RELEASE"] = "2"
        house.add("third")
        house.write_config()
        changes = house.control("reload")
        assert changes == {"added": ["third"], "changed": ["whisper"], "adjusted": [], "removed": []}
        assert state(house) == "draining"
        held = threads.submit(house.json, "/v1/x", connection=connection)
        wait_until(lambda: house.status()["held"] == 1, "the new request to be held")
        assert alive(first)
        Path(house.folder / "gate").touch()
        assert b"200 OK" in receive(sock, b"}}")
        status, seen = held.result()
    assert (status, seen["environment"], seen["pid"] != first) == (200, {"TEST_RELEASE": "2"}, True)
    assert not alive(first)
    assert house.json("/v1/x", name="other")[1]["pid"] == other  # unchanged: not restarted
    assert house.json("/v1/x", name="third")[0] == 200

    del house.services[f"other.{DOMAIN}"]
    house.write_config()
    assert house.process is not None
    house.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not alive(other), "the removed service to end")
    assert house.json("/v1/x", name="other")[0] == 404
    connection.close()


def test_wrong_configuration_changes_nothing(house: House) -> None:
    house.control("wake", "whisper")
    house.services[f"whisper.{DOMAIN}"]["driver"] = "podman"
    house.write_config()
    message = house.control("reload")["error"]["message"]
    assert f"services.whisper.{DOMAIN}.driver: 'podman' is not known" in message
    assert state(house) == "ready" and house.starts() == 1


def test_wake_and_sleep_from_many_sides(house: House) -> None:
    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(house.control("wake", "whisper"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer["state"] for answer in answers} == {"ready"} and house.starts() == 1
    assert house.control("sleep", "whisper")["state"] == "asleep"
    assert house.control("sleep", "whisper")["state"] == "asleep"


def test_callers_wait_while_it_restarts_where_its_address_is_held_for_it(empty_house: House) -> None:
    house = empty_house
    house.add()
    with house.hold_address() as held, ThreadPoolExecutor(1) as pool:
        house.start()
        assert house.port == held.getsockname()[1]
        assert house.json("/v1/x")[0] == 200
        house.stop()
        early = pool.submit(house.json, "/v1/x")
        wait_until(lambda: select.select([held], [], [], 0)[0], "a caller to wait")
        house.start()
        assert early.result()[0] == 200
