"""The control socket and the command line."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from greffier_autostart import control as controlling
from greffier_autostart.__main__ import main
from greffier_autostart.control import ControlError, ask
from house import HERE, House


def control(house: House, *arguments: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "greffier_autostart",
            "control",
            "--socket",
            str(house.control_path),
            *arguments,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent / "src")},
    )
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


def test_command_line(house: House) -> None:
    status, answer = control(house, "status")
    keys = [
        "name",
        "hostname",
        "state",
        "since",
        "inFlight",
        "held",
        "lastRequest",
        "starts",
        "lastStartSeconds",
        "lastError",
        "pid",
        "idleSeconds",
        "driver",
        "containers",
        "port",
        "tcp",
        "draining",
    ]
    services = answer["services"]
    assert isinstance(services, list)
    assert status == 0 and list(services[0]) == keys
    status, answer = control(house, "wake", "whisper")
    assert (status, answer["state"]) == (0, "ready")
    status, answer = control(house, "sleep", "whisper")
    assert (status, answer["state"]) == (0, "asleep")
    status, answer = control(house, "wake", "whispr")
    assert (status, answer) == (1, {"error": {"message": "there is no service 'whispr'; known: whisper"}})


def test_only_the_owner_may_use_it_and_nonsense_is_answered(house: House) -> None:
    assert stat.S_IMODE(house.control_path.stat().st_mode) == 0o600
    for line in (
        b"nonsense\n",
        b"[]\n",
        b'{"command": 1}\n',
        b"x" * 70_000 + b"\n",
        b"[" * 60_000 + b"\n",
        b'{"command": "wake"}\n',
    ):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(house.control_path))
            sock.sendall(line)
            assert "error" in json.loads(sock.makefile().readline())


def test_long_paths_work(empty_house: House) -> None:
    house = empty_house
    folder = house.folder / ("long" * 40)
    folder.mkdir()
    house.control_path = folder / "autostart.sock"
    house.add()
    house.start()
    assert len(str(house.control_path)) > 108
    assert house.status()["state"] == "asleep"
    house.stop()
    assert not house.control_path.exists()


def test_a_second_one_is_refused(house: House) -> None:
    folder = house.folder / "other"
    folder.mkdir()
    other = House(folder)
    other.control_path = house.control_path
    other.write_config()
    done = subprocess.run(
        [sys.executable, "-m", "greffier_autostart", "serve", "--config", str(other.config)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent / "src")},
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr == f"another autostart answers on {house.control_path}\n"
    assert house.status()["state"] == "asleep"


def test_nobody_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.sock"
    with pytest.raises(ControlError, match="autostart is not running"):
        ask(path, "status", None)
    assert main(["control", "--socket", str(path), "status"]) == 1
    assert "autostart is not running" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert main(["serve", "--config", str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controlling, "ANSWER_SECONDS", 0.1)
    path = tmp_path / "hangs.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(ControlError, match="autostart is not responding"):
            ask(path, "status", None)
