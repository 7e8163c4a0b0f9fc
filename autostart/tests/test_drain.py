"""Draining has an end: what is in flight then is told so, and nobody waits longer than that."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from house import DOMAIN, House, alive, receive, wait_until
from test_tcp import add as add_tcp
from test_tcp import ask, call, closed

DRAIN = 0.2


def speaking(house: House, *, patient: bool = True) -> None:
    """A house with a service of websockets that is to be stopped soon."""
    environment = {"PATIENT": "1"} if patient else {}
    entry = house.add("live", program="websocket_child.py", drainSeconds=DRAIN, environment=environment)
    entry["stopSeconds"] = 1
    house.start()


@pytest.mark.parametrize(
    ("way", "code", "patient"),
    [
        ("restart", 1012, False),
        ("restart", 1000, True),
        ("change", 1012, False),
        ("remove", 1001, False),
        ("terminate", 1012, False),
    ],
)
def test_a_websocket_is_closed_with_a_reason(empty_house: House, way: str, code: int, patient: bool) -> None:
    """`patient`: the service itself says goodbye when it is stopped."""
    house = empty_house
    speaking(house, patient=patient)

    async def talk() -> int | None:
        headers = {"Host": f"live.{DOMAIN}"}
        address = f"http://127.0.0.1:{house.port}"
        async with (
            aiohttp.ClientSession(address, headers=headers) as session,
            session.ws_connect("/v1/realtime") as sock,
        ):
            for text in ("x" * 300_000, "y" * 300, "hello"):  # frames of every sort of length
                await sock.send_str(text)
                assert await sock.receive_str() == text[::-1]
            stopping = asyncio.create_task(asyncio.to_thread(stop, house, way))
            await asyncio.sleep(0)
            if patient:
                assert await sock.receive_str() == "the last words"
            assert (await sock.receive()).type is aiohttp.WSMsgType.CLOSE
            await stopping
            return sock.close_code

    assert asyncio.run(talk()) == code
    if way in ("restart", "change"):
        assert house.status("live")["inFlight"] == 0
        assert house.control("wake", "live")["state"] == "ready"


def stop(house: House, way: str) -> None:
    if way == "restart":
        assert house.control("hold", "live")["state"] == "paused"
        house.control("release", "live")
    elif way == "terminate":
        house.stop()
    else:
        if way == "remove":
            del house.services[f"live.{DOMAIN}"]
        else:
            house.services[f"live.{DOMAIN}"]["release"] = "2"
        house.write_config()
        assert "error" not in house.control("reload")


def test_others_wait_for_a_websocket_and_are_served_after_it(empty_house: House) -> None:
    house = empty_house
    house.add(drainSeconds=DRAIN)
    house.start()
    house.control("wake", "whisper")
    upgrade = "Connection: upgrade\r\nUpgrade: websocket"
    with house.connect() as sock, ThreadPoolExecutor(2) as threads:
        sock.sendall(f"GET /upgrade HTTP/1.1\r\nHost: whisper.{DOMAIN}\r\n{upgrade}\r\n\r\n".encode())
        assert receive(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        hold = threads.submit(house.control, "hold", "whisper")
        wait_until(lambda: house.status()["state"] == "draining", "it to drain")
        waiting = threads.submit(house.json, "/v1/x", method="POST", body=b"x")
        wait_until(lambda: house.status()["held"] == 1, "the request to be held")
        assert receive(sock, b"").startswith(b"\x88")
        assert hold.result()["state"] == "paused"
        house.control("release", "whisper")
        assert waiting.result()[0] == 200
    assert house.starts() == 2


def test_what_is_in_flight_when_the_time_is_up_is_told_to_come_again(empty_house: House) -> None:
    house = empty_house
    house.add(drainSeconds=DRAIN)
    house.start()
    house.control("wake", "whisper")
    host = f"Host: whisper.{DOMAIN}\r\n".encode()
    with house.connect() as unanswered, house.connect() as uploading, house.connect() as half:
        house.wait_at_gate(unanswered, "POST", b"x")
        uploading.sendall(b"POST /v1/x HTTP/1.1\r\n" + host + b"Content-Length: 9\r\n\r\nabc")
        half.sendall(b"GET /half HTTP/1.1\r\n" + host + b"\r\n")
        assert receive(half, b"half").endswith(b"half")
        wait_until(lambda: house.status()["inFlight"] == 3, "the requests to arrive")
        assert house.control("hold", "whisper")["state"] == "paused"
        for sock in (unanswered, uploading):
            head, _, body = receive(sock, b"}}").partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1" in head
            error = json.loads(body)["error"]
            said = "whisper is being stopped; try again"
            assert (error["code"], error["message"]) == ("service_stopping", said)
        assert receive(half, b"") == b""  # shorter than it said


def test_what_ends_in_time_is_not_touched(empty_house: House) -> None:
    house = empty_house
    house.add(drainSeconds=600)
    house.start()
    house.control("wake", "whisper")
    with house.connect() as sock, ThreadPoolExecutor(1) as threads:
        house.wait_at_gate(sock)
        hold = threads.submit(house.control, "hold", "whisper")
        wait_until(lambda: house.status()["state"] == "draining", "it to drain")
        (house.folder / "gate").touch()
        assert b"200 OK" in receive(sock, b"}}")
        assert hold.result()["state"] == "paused"


def test_connections_of_another_protocol_end_as_well(empty_house: House) -> None:
    house = empty_house
    entry = add_tcp(house, drainSeconds=DRAIN)
    house.start()
    with call(entry) as sock:
        pid = ask(sock, b"hello")
        assert house.control("hold", "whisper")["state"] == "paused"
        assert closed(sock) and not alive(pid)


def test_websockets_of_a_user_who_is_none_any_more_are_closed(empty_house: House) -> None:
    house = empty_house
    speaking(house)
    house.add("slow", environment={"DELAY": "60"})
    house.write_config()
    house.control("reload")

    async def talk() -> tuple[int | None, str]:
        address = f"http://127.0.0.1:{house.port}"
        async with aiohttp.ClientSession(address, headers={"Host": f"live.{DOMAIN}"}) as session:
            first, other = [
                await session.ws_connect("/v1/realtime", headers={"X-Greffier-User": user}) for user in ("anna", "bob")
            ]
            assert house.control("dismiss", "anna") == {"closed": 2}
            assert (await first.receive()).type is aiohttp.WSMsgType.CLOSE
            await other.send_str("hello")
            return first.close_code, await other.receive_str()

    upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\nX-Greffier-User: anna"
    with house.connect() as held:
        held.sendall(f"GET / HTTP/1.1\r\nHost: slow.{DOMAIN}\r\n{upgrade}\r\n\r\n".encode())
        wait_until(lambda: house.status("slow")["held"] == 1, "the handshake to be held")
        assert asyncio.run(talk()) == (1008, "olleh")
        assert receive(held, b"}}").startswith(b"HTTP/1.1 401 ")
    assert house.control("dismiss", "carla") == {"closed": 0}


def test_quiet_requests_do_not_keep_a_service_awake_for_ever(empty_house: House) -> None:
    house = empty_house
    house.add(drainSeconds=DRAIN, idleSeconds=0.3, quietPaths=["/ready", "/gate"])
    house.start()
    house.control("wake", "whisper")
    with house.connect() as sock:
        sock.sendall(f"GET /gate HTTP/1.1\r\nHost: whisper.{DOMAIN}\r\n\r\n".encode())
        assert receive(sock, b"}}").startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: house.status()["state"] == "asleep", "it to go to sleep")


def test_terminated_autostart_tells_those_that_it_cannot_wait_for(empty_house: House) -> None:
    house = empty_house
    house.add(stopSeconds=0.3)
    house.start()
    house.control("wake", "whisper")
    with house.connect() as sock:
        house.wait_at_gate(sock, "POST")
        assert house.process is not None
        house.process.terminate()
        answer = receive(sock, b"")
        assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After" in answer
    assert house.process.wait(20) == 0


def test_the_last_answers_of_a_terminated_autostart_say_so(empty_house: House) -> None:
    house = empty_house
    house.add()
    house.start()
    house.control("wake", "whisper")
    with house.connect() as sock:
        house.wait_at_gate(sock)
        assert house.process is not None
        house.process.terminate()
        wait_until(lambda: house.events("stopping"), "it to stop")
        (house.folder / "gate").touch()
        head = receive(sock, b"}}").partition(b"\r\n\r\n")[0]
        assert head.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in head.split(b"\r\n")
