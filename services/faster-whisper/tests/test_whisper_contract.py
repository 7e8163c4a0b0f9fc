"""The contract, passed by faster-whisper with a real model."""

from pathlib import Path

import pytest

from stt_core.contract.cases import *  # noqa: F403
from stt_core.contract.cases_realtime import *  # noqa: F403


@pytest.fixture
def committed() -> Path:
    return Path(__file__).parents[1] / "openapi.json"
