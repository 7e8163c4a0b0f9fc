"""The deployments that the tests share: real nginx, autostart and faster-whisper, each in a temporary folder."""

import signal
from collections.abc import Iterator

import pytest

from tests.integration import upstream
from tests.integration.kit import Kit, deployed, free_port, inventory, service

# A shell starts what it runs in the background with Ctrl-C ignored, and programs pass that on to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)

ORIGIN = "https://app.example.org"
"""An origin that `cors_origins` names."""
OPEN = "127.0.0.9"
"""An address whose clients need no password at `echo`."""


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """One roomy service, which sleeps only when told to. Beside it `echo`: in place of a model a program that tells
    what reaches a service, put there through autostart's own configuration."""
    services = {"whisper": service(wyoming=free_port()), "echo": service(drain_timeout="1s", open_to=[OPEN])}
    with deployed(tmp_path_factory.mktemp("kit"), inventory(services, cors_origins=[ORIGIN])) as kit:
        upstream.put(kit, "echo")
        yield kit


@pytest.fixture(scope="session")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A service that soon sleeps, takes little, few requests at once, and no jobs."""
    whisper = service(idle="2s", upload_limit="1M", environment={"STT_QUEUE": "64"}, jobs={"enabled": False})
    content = inventory({"whisper": whisper}, request_rate=5)
    with deployed(tmp_path_factory.mktemp("tight"), content) as kit:
        yield kit
