"""A service without a running autostart: what takes longer than a test may wait, and what root cannot try."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from docker.errors import DockerException

from greffier_autostart import service as service_module
from greffier_autostart.config import parse_config
from greffier_autostart.drivers import Drivers, StartError, engine
from greffier_autostart.service import Service
from greffier_autostart.states import State
from house import House


def test_hold_that_nobody_releases_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "MAX_HOLD_SECONDS", 0.05)
    house = House(tmp_path)
    house.add(drainSeconds=0)
    entry = parse_config(house.document()).services[0]
    told: list[tuple[State, State, str | None]] = []

    async def hold() -> None:
        loop = asyncio.get_running_loop()
        service = Service(entry, lambda _, *change: told.append(change), Drivers(loop), loop)
        service.hold()
        assert service.machine.state is State.PAUSED and service.on_hold
        await asyncio.wait_for(service.wait_for(State.ASLEEP), 20)
        assert not service.on_hold

    asyncio.run(hold())
    reason = "not released within 0.05 s: the hold ends"
    assert told == [
        (State.ASLEEP, State.PAUSED, None),
        (State.PAUSED, State.PAUSED, reason),
        (State.PAUSED, State.ASLEEP, None),
    ]


def test_docker_that_may_not_be_used_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> None:
        try:
            try:
                raise PermissionError(13, "Permission denied")
            except PermissionError as error:
                raise ConnectionError("Connection aborted.") from error
        except ConnectionError:
            raise DockerException("Error while fetching server API version") from None

    monkeypatch.setattr(engine, "_connect", forbidden)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    house = House(tmp_path)
    del house.add(driver="docker")["process"]
    entry = parse_config(house.document()).services[0]

    async def start() -> None:
        drivers = Drivers(asyncio.get_running_loop())
        driver = drivers.create(entry.release, lambda: None)
        assert not await driver.running()
        with pytest.raises(StartError) as caught:
            await driver.start()
        assert str(caught.value) == (
            "autostart's user may not use Docker at unix:///var/run/docker.sock; it must be in the group docker"
        )
        await driver.stop(1)
        drivers.close()

    asyncio.run(start())
