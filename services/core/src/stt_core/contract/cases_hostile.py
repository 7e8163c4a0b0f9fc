"""The contract with files made to harm: never the service's fault, never a hang, never much memory."""

import pytest

from stt_core.contract.asserts import refused
from stt_core.contract.hostile import HOSTILE
from stt_core.contract.service import Service

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
