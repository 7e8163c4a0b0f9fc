"""A service that has work left by no request: woken for it, kept awake, and left alone afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from greffier_autostart import wake_file
from house import House, wait_until


def state(house: House) -> str:
    found: str = house.status()["state"]
    return found


@pytest.mark.parametrize(
    ("text", "due"),
    [("0.000\n", True), ("99.9", True), ("100", True), ("100.5", False), ("1e3", False), ("", True), ("soon", True),
     ("nan", True), ("inf", False), ("-1", True), ("9" * 1000, False)],
)  # fmt: skip
def test_when_there_is_work(tmp_path: Path, text: str, due: bool) -> None:
    path = tmp_path / "wake_at"
    assert not wake_file.due(path, 100)
    path.write_text(text)
    assert wake_file.due(path, 100) is due


def test_what_cannot_be_read_counts_as_work(tmp_path: Path) -> None:
    assert wake_file.due(tmp_path, 100)


def test_a_sleeping_service_is_woken_for_work_and_sleeps_after_it(empty_house: House) -> None:
    house = empty_house
    path = house.folder / "wake_at"
    house.add(idleSeconds=0.5, wakeFile=str(path))
    house.start()
    assert state(house) == "asleep"
    path.write_text("0")
    wait_until(lambda: state(house) == "ready", "the service to wake")
    wait_until(lambda: house.status()["since"] > 2, "several idle times to pass")
    assert "jobs left" in house.control("sleep", "whisper")["error"]["message"]
    path.unlink()
    wait_until(lambda: state(house) == "asleep", "the service to sleep")
    assert house.starts() == 1


def test_work_is_found_when_autostart_starts_and_in_time(empty_house: House) -> None:
    house = empty_house
    path = house.folder / "wake_at"
    path.write_text(f"{time.time() + 3:.3f}")
    house.add(idleSeconds=600, wakeFile=str(path))
    house.start()
    assert state(house) == "asleep"
    wait_until(lambda: state(house) == "ready", "the service to wake at its time")
    assert time.time() >= float(path.read_text())


def test_a_service_that_cannot_start_is_not_tried_without_a_rest(empty_house: House) -> None:
    house = empty_house
    path = house.folder / "wake_at"
    path.write_text("0")
    house.add(environment={"FAIL": "no model"}, wakeFile=str(path))
    house.start()
    wait_until(lambda: house.status()["starts"] >= 3, "some starts")
    began = time.monotonic()
    wait_until(lambda: house.status()["starts"] >= 4, "another start")
    assert time.monotonic() - began > 1  # the rest after the third failure is 4 s
