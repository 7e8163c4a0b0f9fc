"""The contract, passed by the toy engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy import ABLE, Toy

from stt_core import __version__
from stt_core.engine.protocol import Capabilities
from stt_testing.contract.aliases import *  # noqa: F403
from stt_testing.contract.answers import *  # noqa: F403
from stt_testing.contract.asr import *  # noqa: F403
from stt_testing.contract.audio import *  # noqa: F403
from stt_testing.contract.clients import *  # noqa: F403
from stt_testing.contract.forms import *  # noqa: F403
from stt_testing.contract.general import *  # noqa: F403
from stt_testing.contract.hostile import *  # noqa: F403
from stt_testing.contract.languages import *  # noqa: F403
from stt_testing.contract.realtime import *  # noqa: F403
from stt_testing.contract.streams import *  # noqa: F403
from stt_testing.contract.url import *  # noqa: F403
from stt_testing.service import Service, in_thread


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with in_thread(Toy(), "toy/model") as running:
        yield running


def test_health_says_what_serves_and_how_long_the_queue_is(service: Service) -> None:
    assert service.get("/health").json() == {
        "status": "healthy",
        "model": "toy/model",
        "version": __version__,
        "queue_length": 0,
        "db_stats": {"total": 0, "completed": 0, "failed": 0, "pending": 0},
    }


@pytest.fixture
def able() -> Capabilities:
    return ABLE


@pytest.fixture
def committed(service: Service, tmp_path: Path) -> Path:
    """A service's description is the core's own: there is no other for the toy."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(service.get("/openapi.json").json()))
    return path
