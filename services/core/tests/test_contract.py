"""The contract, passed by the toy engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy import ABLE, Toy

from stt_core.contract.cases import *  # noqa: F403
from stt_core.contract.cases_answers import *  # noqa: F403
from stt_core.contract.cases_asr import *  # noqa: F403
from stt_core.contract.cases_audio import *  # noqa: F403
from stt_core.contract.cases_clients import *  # noqa: F403
from stt_core.contract.cases_forms import *  # noqa: F403
from stt_core.contract.cases_hostile import *  # noqa: F403
from stt_core.contract.cases_languages import *  # noqa: F403
from stt_core.contract.cases_realtime import *  # noqa: F403
from stt_core.contract.cases_streams import *  # noqa: F403
from stt_core.contract.cases_url import *  # noqa: F403
from stt_core.contract.cases_ways import *  # noqa: F403
from stt_core.contract.service import Service, in_thread
from stt_core.engine import Capabilities


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with in_thread(Toy(), "toy/model") as running:
        yield running


def test_health_is_ok_and_nothing_else(service: Service) -> None:
    assert service.get("/health").json() == {"status": "ok"}


@pytest.fixture
def able() -> Capabilities:
    return ABLE


@pytest.fixture
def committed(service: Service, tmp_path: Path) -> Path:
    """A service's description is the core's own: there is no other for the toy."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(service.get("/openapi.json").json()))
    return path
