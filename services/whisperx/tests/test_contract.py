"""The contract, passed by WhisperX with real models."""

from pathlib import Path

import pytest

from stt_core.contract.cases import *  # noqa: F403
from stt_core.contract.cases_answers import *  # noqa: F403
from stt_core.contract.cases_asr import *  # noqa: F403
from stt_core.contract.cases_audio import *  # noqa: F403
from stt_core.contract.cases_clients import *  # noqa: F403
from stt_core.contract.cases_container import *  # noqa: F403
from stt_core.contract.cases_forms import *  # noqa: F403
from stt_core.contract.cases_hostile import *  # noqa: F403
from stt_core.contract.cases_languages import *  # noqa: F403
from stt_core.contract.cases_realtime import *  # noqa: F403
from stt_core.contract.cases_streams import *  # noqa: F403
from stt_core.contract.cases_url import *  # noqa: F403
from stt_core.contract.cases_ways import *  # noqa: F403
from stt_core.contract.cases_whisper import *  # noqa: F403
from stt_core.contract.cases_wyoming import *  # noqa: F403
from stt_core.engine import Capabilities
from stt_core.languages import NAMES


@pytest.fixture
def able() -> Capabilities:
    return Capabilities(
        tuple(code for code in NAMES if code != "yue"),  # base is older
        word_times=True,
        prompt=True,
        hotwords=True,
        translation=True,
        logprobs=True,
        speakers=True,
        lanes=2,
        apart=True,
    )


@pytest.fixture
def committed() -> Path:
    return Path(__file__).parents[1] / "openapi.json"
