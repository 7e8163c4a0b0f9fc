"""Another policy holds at once: nothing that runs, starts or waits is stopped for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from house import DOMAIN, House, free_port, receive, wait_until


def adjust(house: House, **keys: Any) -> None:
    house.services[f"whisper.{DOMAIN}"] |= keys
    house.write_config()
    answer = house.control("reload")
    assert answer == {"added": [], "changed": [], "adjusted": ["whisper"], "removed": []}


@contextmanager
def in_flight(house: House) -> Iterator[None]:
    """A request that is answered only at the end, and has to be answered well."""
    with house.connect() as sock:
        house.wait_at_gate(sock)
        yield
        assert house.status()["inFlight"]
        Path(house.folder / "gate").touch()
        assert b"200 OK" in receive(sock, b"}}")


@pytest.mark.parametrize(
    "keys",
    [
        {"idleSeconds": 3600},
        {"startSeconds": 9},
        {"stopSeconds": 9},
        {"drainSeconds": 9},
        {"blocking": False},
        {"quietPaths": ["/health"]},
        {"healthPath": "/status"},
        {"readyPath": "/health"},
        {"openapi": "/nonexistent/openapi.json"},
        {"tellsWhy": True},
        {"wakeFile": "/nonexistent/wake_at"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_nothing_in_flight_is_touched(house: House, keys: dict[str, Any]) -> None:
    pid = house.control("wake", "whisper")["pid"]
    with in_flight(house):
        adjust(house, **keys)
        status = house.status()
        assert (status["state"], status["pid"]) == ("ready", pid)
        assert house.json("/v1/x")[1]["pid"] == pid  # others are served meanwhile, and need not wait
    assert house.starts() == 1


def test_a_host_name_moves_under_a_running_service(house: House) -> None:
    pid = house.control("wake", "whisper")["pid"]
    with in_flight(house):
        house.services[f"other.{DOMAIN}"] = house.services.pop(f"whisper.{DOMAIN}")
        house.write_config()
        assert house.control("reload")["adjusted"] == ["whisper"]
        assert house.json("/v1/x", name="other")[1]["pid"] == pid
        assert house.json("/v1/x")[0] == 404


def test_an_address_of_another_protocol_moves_under_a_running_service(empty_house: House) -> None:
    house = empty_house
    port = free_port()
    house.add(environment={"TCP_PORT": str(port)}, tcp=[{"listen": ["127.0.0.1", free_port()], "port": port}])
    house.start()
    with in_flight(house):
        pid, listen = house.status()["pid"], ["127.0.0.1", free_port()]
        adjust(house, tcp=[{"listen": listen, "port": port}])
        with socket.create_connection((listen[0], listen[1]), timeout=30) as sock:
            sock.sendall(b"hello\n")
            assert receive(sock, b"\n")
        assert house.status()["pid"] == pid


def test_a_new_idle_is_counted_from_the_last_use(house: House) -> None:
    house.json("/v1/x")
    wait_until(lambda: house.status()["lastRequest"] > 0.3, "some time to pass")
    adjust(house, idleSeconds=0.3)
    wait_until(lambda: house.status()["state"] == "asleep", "it to sleep as soon as it now should")


def test_a_start_in_progress_gets_the_new_limit(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"DELAY": "1.5"}, startSeconds=1)
    house.start()
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(house.json, "/v1/x")
        wait_until(lambda: house.status()["held"] == 1, "the request to be held")
        adjust(house, startSeconds=20)
        assert held.result()[0] == 200
    assert house.starts() == 1 and not house.status()["lastError"]


def test_a_start_in_progress_may_have_no_more_time(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"DELAY": "60"})
    house.start()
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(house.json, "/v1/x")
        wait_until(lambda: house.status()["since"] > 0.3 and house.status()["held"], "it to start for a while")
        adjust(house, startSeconds=0.2)
        status, body = held.result()
    assert status == 503
    assert "did not report ready at /ready within 0.2 s" in body["error"]["message"]


def test_a_start_in_progress_is_asked_at_the_new_path(empty_house: House) -> None:
    house = empty_house
    house.add(readyPath="/mute")
    house.start()
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(house.json, "/v1/x")
        wait_until(lambda: house.status()["held"] == 1, "the request to be held")
        adjust(house, readyPath="/ready")
        assert held.result()[0] == 200
    assert house.starts() == 1


def test_a_new_stop_limit_is_that_of_the_next_stop(empty_house: House) -> None:
    house = empty_house
    house.add(environment={"STUBBORN": "1"}, stopSeconds=600)
    house.start()
    house.control("wake", "whisper")
    adjust(house, stopSeconds=0.1)
    assert house.control("sleep", "whisper")["state"] == "asleep"


def test_a_policy_that_changes_with_the_release_comes_with_it(house: House) -> None:
    house.control("wake", "whisper")
    with in_flight(house):
        entry = house.services[f"whisper.{DOMAIN}"]
        entry |= {"release": "2", "idleSeconds": 77}
        house.write_config()
        assert house.control("reload")["changed"] == ["whisper"]
        entry["idleSeconds"] = 78
        house.write_config()
        assert house.control("reload")["changed"] == ["whisper"]  # it still is to change
        assert house.status()["state"] == "draining" and house.status()["idleSeconds"] == 600
    wait_until(lambda: house.status()["idleSeconds"] == 78, "the new release to take its place")
    assert house.json("/v1/x")[0] == 200 and house.starts() == 2
