"""The contract, passed by WhisperX with real models."""

from pathlib import Path

import pytest

from stt_core.engine.protocol import Capabilities
from stt_core.languages import NAMES
from stt_testing.contract.aliases import *  # noqa: F403
from stt_testing.contract.answers import *  # noqa: F403
from stt_testing.contract.asr import *  # noqa: F403
from stt_testing.contract.audio import *  # noqa: F403
from stt_testing.contract.clients import *  # noqa: F403
from stt_testing.contract.container import *  # noqa: F403
from stt_testing.contract.forms import *  # noqa: F403
from stt_testing.contract.general import *  # noqa: F403
from stt_testing.contract.hostile import *  # noqa: F403
from stt_testing.contract.languages import *  # noqa: F403
from stt_testing.contract.manifest import *  # noqa: F403
from stt_testing.contract.realtime import *  # noqa: F403
from stt_testing.contract.streams import *  # noqa: F403
from stt_testing.contract.url import *  # noqa: F403
from stt_testing.contract.whisper import *  # noqa: F403
from stt_testing.contract.wyoming import *  # noqa: F403


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
        workers=2,
        apart=True,
    )


@pytest.fixture
def committed() -> Path:
    return Path(__file__).parents[1] / "openapi.json"
