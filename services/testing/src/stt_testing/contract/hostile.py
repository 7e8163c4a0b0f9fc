"""The contract with files made to harm: never the service's fault, never a hang, never much memory."""

import httpx
import pytest

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import FILE, HOTWORD, KEY, PRIVATE, PROMPT, refused
from stt_testing.hostile import HOSTILE
from stt_testing.service import DEADLINE, Service

GROWTH = 300_000_000
"""Bytes that the process may have grown by after all of them: noise is a tenth, the bombs are gigabytes."""


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_never_the_services_fault(service: Service, what: str) -> None:
    before = service.metric("process_resident_memory_bytes")
    answer = service.post(HOSTILE[what](), "sound.mp3")
    if answer.status_code == 200:
        assert "text" in answer.json()
    else:
        assert refused(answer, 400)["code"] == "invalid_audio"
    assert service.metric("process_resident_memory_bytes") - before < GROWTH
    assert service.get("/health").status_code == 200


def test_what_is_private_is_told_to_nobody_else(service: Service, able: Capabilities) -> None:
    """The log is looked at by whoever started the service."""
    answer = httpx.post(
        f"{service.url}/v1/audio/transcriptions?key={KEY}",
        files={"file": (FILE, sounds.speech())},
        data={"prompt": PROMPT, "hotwords": HOTWORD},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=DEADLINE,
    )
    assert answer.status_code == (200 if able.prompt and able.hotwords else 400)
    service.get(f"/{KEY}")
    for path in ("/metrics", "/status", "/openapi.json"):
        shown = service.get(path).text
        assert not [word for word in PRIVATE if word in shown]
