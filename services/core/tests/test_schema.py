"""The service keeps to its own OpenAPI document, whatever is sent to it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from toy import Toy

from stt_core.contract import sounds
from stt_core.contract.service import in_thread

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FILES = (sounds.wav(np.zeros(1600)), sounds.wav(np.arange(-800, 800) * 30), b"", b"no sound")

schemathesis.openapi.format("binary", st.sampled_from(FILES))
described = schemathesis.pytest.from_fixture("document")


@pytest.fixture(scope="module")
def document() -> Iterator[schemathesis.BaseSchema]:
    with in_thread(Toy(), "toy/model") as service:
        yield schemathesis.openapi.from_url(f"{service.url}/openapi.json")


@described.parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: "schemathesis.Case[Any]") -> None:
    case.call_and_validate(checks=CHECKS)
