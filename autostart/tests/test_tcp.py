"""Addresses for another protocol than HTTP: real connections, through autostart, to a real child process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from greffier_autostart.listeners import MAX_CONNECTIONS
from house import House, alive, free_port, receive, wait_until


def add(house: House, **keys: Any) -> dict[str, Any]:
    """A service with such an address."""
    listen, inner = free_port(), free_port()
    environment = {"TCP_PORT": str(inner), **keys.pop("environment", {})}
    return house.add(tcp=[{"listen": ["127.0.0.1", listen], "port": inner}], environment=environment, **keys)


def call(entry: dict[str, Any]) -> socket.socket:
    address, port = entry["tcp"][0]["listen"]
    return socket.create_connection((address, port), timeout=30)


def ask(sock: socket.socket, text: bytes) -> int:
    """Say something, hear it in capitals, and learn which process that was."""
    sock.sendall(text + b"\n")
    pid, _, said = receive(sock, b"\n").partition(b" ")
    assert said == text.upper() + b"\n"
    return int(pid)


def closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_first_byte_wakes_and_a_connection_is_in_flight_while_it_is_open(empty_house: House) -> None:
    house = empty_house
    entry = add(house, idleSeconds=0.3)
    house.start()
    with call(entry) as silent, call(entry) as sock:
        assert house.status()["state"] == "asleep"
        pid = ask(sock, b"hello")
        assert house.status()["inFlight"] == 1
        wait_until(lambda: house.status()["since"] > 1.0, "several idle times to pass")
        sock.sendall(b"again\n")
        assert receive(sock, b"\n") == b"AGAIN\n"
        assert "requests in flight 1" in house.control("sleep", "whisper")["error"]["message"]
        sock.close()
        wait_until(lambda: house.status()["state"] == "asleep", "the service to go to sleep")
        assert not alive(pid) and house.starts() == 1
        assert ask(silent, b"at last") != pid


def test_what_is_said_while_it_wakes_arrives_whole(empty_house: House) -> None:
    house = empty_house
    entry = add(house, environment={"DELAY": "0.3"})
    house.start()
    words = os.urandom(1_500_000).hex().encode()  # more than is taken in before the service is there
    with call(entry) as sock:

        def say() -> None:
            sock.sendall(words)
            sock.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=say, daemon=True)
        thread.start()
        heard = receive(sock, b"").partition(b" ")[2]
        assert len(heard) == len(words) and heard == words.upper()
        thread.join()
    wait_until(lambda: house.status()["inFlight"] == 0, "the connection to end")


def test_a_connection_after_a_death_is_held_and_starts_it(empty_house: House) -> None:
    house = empty_house
    entry = add(house)
    house.start()
    with call(entry) as sock:
        pid = ask(sock, b"hello")
        os.kill(pid, signal.SIGKILL)
        while alive(pid):  # autostart may not know yet
            pass
        with call(entry) as next_one:
            assert ask(next_one, b"hello") != pid
        assert closed(sock)
    assert house.starts() == 2


def test_a_service_that_cannot_start_closes_the_connection(empty_house: House) -> None:
    house = empty_house
    entry = add(house, environment={"FAIL": "no such model"})
    house.start()
    for _ in range(2):  # while it starts, and after it failed
        with call(entry) as sock:
            sock.sendall(b"hello\n")
            assert closed(sock)
    assert (house.status()["state"], house.status()["held"]) == ("failed", 0)


def test_a_client_that_leaves_while_it_wakes_is_forgotten(empty_house: House) -> None:
    house = empty_house
    entry = add(house, environment={"DELAY": "60"})
    house.start()
    sock = call(entry)
    sock.sendall(b"hello\n")
    wait_until(lambda: house.status()["held"] == 1, "the connection to be held")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset it
    sock.close()
    wait_until(lambda: house.status()["held"] == 0, "the connection to be forgotten")


def test_more_connections_than_there_may_be_are_closed(empty_house: House) -> None:
    house = empty_house
    entry = add(house)
    house.start()
    many = [call(entry) for _ in range(MAX_CONNECTIONS)]
    with call(entry) as one:
        assert closed(one)
    assert house.json("/v1/x")[0] == 200
    many.pop().close()

    def room() -> bool:
        with call(entry) as one, contextlib.suppress(ConnectionError):
            one.sendall(b"hello\n")
            return receive(one, b"\n").endswith(b"HELLO\n")
        return False

    wait_until(room, "there is room again")
    for sock in many:
        sock.close()


def test_a_new_release_on_other_ports_takes_new_connections_and_the_old_one_keeps_its_own(
    empty_house: House,
) -> None:
    house = empty_house
    entry = add(house)
    house.start()
    with call(entry) as old:
        first = ask(old, b"hello")
        port, inner = free_port(), free_port()
        entry["proxyPort"], entry["tcp"][0]["port"] = port, inner
        entry["process"]["environment"] |= {"PORT": str(port), "TCP_PORT": str(inner)}
        entry["process"]["log"] += "2"
        house.write_config()
        assert house.control("reload")["changed"] == ["whisper"]
        with call(entry) as new:
            assert ask(new, b"hello") != first
            old.sendall(b"still\n")
            assert receive(old, b"\n") == b"STILL\n"
            assert house.status()["draining"][0]["inFlight"] == 1
    wait_until(lambda: not alive(first), "the old release to end")


def test_an_address_moves_with_the_configuration(empty_house: House) -> None:
    house = empty_house
    entry = add(house)
    house.start()
    with call(entry) as sock:
        ask(sock, b"hello")
    before = entry["tcp"][0]["listen"][1]
    entry["tcp"][0]["listen"] = listen = ["127.0.0.2", free_port()]
    house.write_config()
    house.control("reload")
    with call(entry) as sock:
        ask(sock, b"hello")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", before)) != 0
    del entry["tcp"]
    house.write_config()
    house.control("reload")
    assert house.status()["tcp"] == []
    with pytest.raises(ConnectionRefusedError):
        call({"tcp": [{"listen": listen}]})


def test_an_address_that_cannot_be_had_is_told_and_tried_again(empty_house: House) -> None:
    house = empty_house
    entry = add(house)
    address, port = entry["tcp"][0]["listen"]
    with socket.create_server((address, port)):
        house.start()
        told = house.status()["tcp"][0]
        assert (told["listen"], told["error"]) == ([address, port], "Address already in use")
        reason = f"cannot listen on {address} port {port}: Address already in use"
        assert [event["reason"] for event in house.events("state")] == [reason]
        assert house.json("/v1/x")[0] == 200  # all else is served
    wait_until(lambda: house.status()["tcp"][0]["error"] is None, "the address to be had")
    with call(entry) as sock:
        ask(sock, b"hello")


def test_terminated_autostart_closes_what_says_nothing_and_finishes_the_rest(empty_house: House) -> None:
    house = empty_house
    entry = add(house)
    house.start()
    with call(entry) as sock, call(entry) as silent:
        pid = ask(sock, b"hello")
        assert house.process is not None
        house.process.terminate()
        assert closed(silent)
        sock.sendall(b"more\n")
        assert receive(sock, b"\n") == b"MORE\n"
        assert alive(pid)
        sock.shutdown(socket.SHUT_WR)
        assert closed(sock)
    assert house.process.wait(20) == 0
    assert not alive(pid)


def test_the_log_has_nothing_of_what_passes(empty_house: House) -> None:
    house = empty_house
    entry = add(house)
    house.start()
    with call(entry) as sock:
        ask(sock, b"words of somebody")
    house.stop()
    assert "words of somebody" not in Path(house.log).read_text().lower()
