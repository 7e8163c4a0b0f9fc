"""One process of the service, for all tests that do not end it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stt_testing.asserts import discreet
from stt_testing.service import Service, in_process

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    from parakeet_process import COMMAND, MODEL, models

    folder = models(tmp_path_factory.mktemp("models"))
    log = tmp_path_factory.mktemp("service") / "log"
    with in_process(COMMAND, {"STT_MODELS_DIR": str(folder)}, MODEL, log) as (running, _):
        yield running
    assert len(discreet(log)) > 1  # whatever the tests have sent
