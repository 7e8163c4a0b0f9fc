"""The contract, passed by Parakeet with a model of its interface.

Not what stt_testing.contract.audio has, which listens for words of real speech: how files are decoded is the core's.
"""

from pathlib import Path

import pytest

from stt_core.engine.protocol import Capabilities
from stt_parakeet.models import EUROPEAN
from stt_testing.contract.aliases import *  # noqa: F403
from stt_testing.contract.answers import *  # noqa: F403
from stt_testing.contract.asr import *  # noqa: F403
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
from stt_testing.contract.wyoming import *  # noqa: F403


@pytest.fixture
def able() -> Capabilities:
    return Capabilities(EUROPEAN, word_times=True, logprobs=True, speakers=True, apart=True)


@pytest.fixture
def committed() -> Path:
    return Path(__file__).parents[1] / "openapi.json"
