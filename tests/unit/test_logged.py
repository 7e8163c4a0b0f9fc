"""What programs print and log, without stack traces."""

import json

import pytest

from deploy.errors import KitError
from deploy.program_output import error_of, last_line, sentence, untraced

TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    f()\n    ^^^\nValueError: of x\n'
JOINED = "\nDuring handling of the above exception, another exception occurred:\n\n"
CHAIN = f"{TRACE}{JOINED}{TRACE.replace('of x', 'of y')}"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("nothing of the kind\n  indented\n", "nothing of the kind\n  indented\n"),
        (f"before\n{TRACE}after\n", "before\nValueError: of x\nafter\n"),
        (f"ERROR: Exception:\n{TRACE}", "ERROR: Exception:\nValueError: of x\n"),
        (f"before\n{CHAIN}after\n", "before\nValueError: of y\nafter\n"),
        ("".join(f"#9 1.25 {line}\n" for line in TRACE.splitlines()), "#9 1.25 ValueError: of x\n"),
    ],
)
def test_a_stack_trace_becomes_the_line_that_it_ends_in(text: str, left: str) -> None:
    assert untraced(text) == left
    assert KitError("it failed.", output=text).output == left


def test_the_error_of_one_request() -> None:
    lines = [
        {"level": "error", "message": "a request failed", "request_id": "req_1", "exception": TRACE},
        {"level": "error", "message": "a request failed", "request_id": "req_2"},
        {"level": "info", "message": "POST /v1/audio/transcriptions 500", "request_id": "req_1"},
    ]
    log = "\n".join(["not JSON", "[" * 100_000, *map(json.dumps, lines), "7"])
    assert error_of(log, "req_1") == "ValueError: of x"
    assert error_of(log, "req_2") == "a request failed"
    assert error_of(log, "req_3") == ""


def test_a_sentence_has_one_full_stop() -> None:
    assert sentence("it failed", "no room.") == "it failed: no room."
    assert sentence("it failed", "") == sentence("it failed.") == "it failed."
    assert last_line("one\ntwo.\n\n") == "two"
