from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from house import House


@pytest.fixture
def empty_house(tmp_path: Path) -> Iterator[House]:
    """A house without services, not started yet."""
    house = House(tmp_path)
    yield house
    house.stop()


@pytest.fixture
def house(empty_house: House) -> House:
    """A running house with one sleeping service, whisper."""
    empty_house.add()
    empty_house.start()
    return empty_house


@pytest.fixture(scope="module")
def awake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One running house for a module, with whisper awake; for tests that leave it as it was."""
    house = House(tmp_path_factory.mktemp("house"))
    house.add()
    house.start()
    house.control("wake", "whisper")
    yield house
    house.stop()
