"""What is asked of a host goes there in as few round trips as its parts depend on each other."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import KitError
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.connection import Answer, Question, Refusal
from deploy.transport.targets import Target


def chain(name: str, length: int) -> Asking[list[str]]:
    """Asks one thing after the other, each by the answer to the one before."""
    found = [name]
    for _ in range(length):
        (answer,) = yield (Question("echo", {"text": found[-1] + "."}),)
        found.append(answer.done()[0]["text"])
    return found


def carried_out(asked: Asking[tuple[list[str], ...]]) -> tuple[tuple[list[str], ...], int]:
    """What it returns where the host echoes, and in how many round trips."""
    rounds, questions = 0, next(asked, None)
    assert questions is not None
    while True:
        rounds += 1
        answers = [Answer([({"event": "done", "text": question.about["text"]}, b"")]) for question in questions]
        try:
            questions = asked.send(answers)
        except StopIteration as end:
            return end.value, rounds


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any))
def test_several_take_as_many_round_trips_as_the_longest(lengths: list[int]) -> None:
    several = asking.together(*(chain(str(number), length) for number, length in enumerate(lengths)))
    found, rounds = carried_out(several)
    assert rounds == max(lengths)
    assert found == tuple([str(n) + "." * dots for dots in range(size + 1)] for n, size in enumerate(lengths))


def test_a_real_agent_answers_several_questions_in_one_round_trip(target: Target, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    model = tmp_path / "models" / "whole"
    model.mkdir(parents=True)
    (model / "weights").write_bytes(b"x" * 9)
    about = {"sha256": "f" * 64, "size": 9, "mtime_ns": (model / "weights").stat().st_mtime_ns}
    (model / ".greffier.json").write_text(json.dumps({"files": {"weights": about}}))
    before = target.connection.rounds
    read, missing, (there, models), said = target.answer(
        asking.together(
            asking.read(str(tmp_path / "a")),
            asking.read(str(tmp_path / "b")),
            asking.together(asking.existing([str(tmp_path)]), asking.models([str(model), str(tmp_path)])),
            asking.run(("sh", "-c", "echo one; echo two >&2; echo three")),
        )
    )
    assert target.connection.rounds == before + 1
    assert (read, missing, there, said) == (b"12345", None, {str(tmp_path)}, "one\nthree\n")
    assert models == {str(model): {"weights": "f" * 64}}
    (model / "weights").write_bytes(b"x")
    assert target.answer(asking.models([str(model)])) == {}, "another size than when it was fetched"
    assert target.facts["python"] and target.connection.rounds == before + 2, "it was told with the greeting"


def test_a_failure_is_that_of_its_own_question(target: Target, tmp_path: Path) -> None:
    """And what was asked beside it does not disturb what is asked next."""
    with pytest.raises(KitError, match="`sh` failed with status 3") as told:
        target.answer(
            asking.together(asking.run(("sh", "-c", "echo why >&2; exit 3")), asking.read(str(tmp_path / "a")))
        )
    assert told.value.output == "why\n"
    with pytest.raises(Refusal, match="not installed"):
        target.answer(asking.together(asking.read(str(tmp_path / "a")), asking.run(("no-such-program",))))
    assert target.answer(asking.run(("echo", "still here"))) == "still here\n"
    assert target.answer(asking.together(asking.known(1), asking.known("x"))) == (1, "x")
