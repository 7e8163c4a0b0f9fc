"""The service keeps to its own OpenAPI document, whatever is sent to it."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from toy import Toy

from stt_core.kind import Kind
from stt_core.server import openapi
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import Service, in_thread

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FILES = (sounds.wav(np.zeros(1600)), sounds.wav(np.arange(-800, 800) * 30), b"", b"no sound")
EXAMPLES = 40

schemathesis.openapi.format("binary", st.sampled_from(FILES))
DOCUMENT = schemathesis.openapi.from_dict(json.loads(openapi(Kind("Toy", Toy), Settings())))
RESULTS = list(DOCUMENT.get_all_operations())
OPERATIONS = {result.ok().label: result.ok() for result in RESULTS if isinstance(result, Ok)}
assert len(OPERATIONS) == len(RESULTS)
CASES = [
    (label, mode)
    for label, operation in OPERATIONS.items()
    for mode in GenerationMode
    # A path without a query and a body has nothing that could be wrong.
    if mode.is_positive or operation.body or operation.query
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with in_thread(Toy(), "toy/model") as running:
        yield running


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_every_answer_is_as_described(service: Service, label: str, mode: GenerationMode) -> None:
    operation = OPERATIONS[label]
    asks = operation.body or operation.path_parameters or operation.query

    @settings(
        max_examples=EXAMPLES if asks else 1,
        derandomize=True,
        phases=(Phase.generate,),  # what fails here is small enough
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:  # type: ignore[type-arg]
        case.call_and_validate(base_url=service.url, checks=CHECKS)

    check()
