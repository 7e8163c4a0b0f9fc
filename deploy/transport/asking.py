"""What is asked of a host, as values: questions that do not depend on each other's answers go in one round trip.

An `Asking` is a generator. It yields the questions that it can ask now, is sent their answers, and returns what they
mean. `Target.answer` carries one out; `together` makes one of several, which then ask side by side.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from deploy.errors import KitError
from deploy.transport.connection import Answer, Question

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
Asking = Generator[Sequence[Question], Sequence[Answer], T]


@dataclass(frozen=True)
class FileState:
    """A file as it is on the host. `text` is there where the survey asked for it."""

    digest: str
    mode: int
    owner: str
    group: str
    text: str | None
    salted: str = ""
    """SHA-256 with the survey's salt before the content, where there was one."""


@overload
def together(one: Asking[A], two: Asking[B], /) -> Asking[tuple[A, B]]: ...
@overload
def together(one: Asking[A], two: Asking[B], three: Asking[C], /) -> Asking[tuple[A, B, C]]: ...
@overload
def together(one: Asking[A], two: Asking[B], three: Asking[C], four: Asking[D], /) -> Asking[tuple[A, B, C, D]]: ...
@overload
def together(
    one: Asking[A], two: Asking[B], three: Asking[C], four: Asking[D], five: Asking[E], /
) -> Asking[tuple[A, B, C, D, E]]: ...
@overload
def together(*askings: Asking[T]) -> Asking[tuple[T, ...]]: ...
def together(*askings: Asking[Any]) -> Asking[tuple[Any, ...]]:
    """What each of them returns. Raises what the first of them raises."""
    found: list[Any] = [None] * len(askings)
    answers: dict[int, Sequence[Answer] | None] = dict.fromkeys(range(len(askings)))
    while True:
        asked: dict[int, Sequence[Question]] = {}
        for number, told in answers.items():
            try:
                asked[number] = next(askings[number]) if told is None else askings[number].send(told)
            except StopIteration as end:
                found[number] = end.value
        if not asked:
            return tuple(found)
        given = iter((yield [question for questions in asked.values() for question in questions]))
        answers = {number: [next(given) for _ in questions] for number, questions in asked.items()}


def known(value: T) -> Asking[T]:
    """What need not be asked."""
    yield from ()
    return value


def _one(question: Question) -> Asking[Answer]:
    (answer,) = yield (question,)
    return answer


def read(path: str) -> Asking[bytes | None]:
    """A file's content; None where there is none."""
    head, content = (yield from _one(Question("read", {"path": path}))).done()
    return content if head["there"] else None


def states(paths: Sequence[str], texts: Sequence[str] = (), salt: str = "") -> Asking[dict[str, FileState]]:
    """State of each path that is there, with the text of `texts`."""
    about = {"paths": list(paths), "texts": list(texts), "salt": salt}
    found = (yield from _one(Question("survey", about))).done()[0]["files"]
    return {
        path: FileState(
            entry["digest"], entry["mode"], entry["owner"], entry["group"], entry.get("text"), entry["salted"]
        )
        for path, entry in found.items()
    }


def existing(paths: Sequence[str]) -> Asking[set[str]]:
    """Those of the paths that are there, files or folders."""
    about = {"paths": [], "exist": list(paths)}
    return set((yield from _one(Question("survey", about))).done()[0]["exists"])


def models(folders: Sequence[str]) -> Asking[dict[str, dict[str, str]]]:
    """Of each folder whose model is complete, file -> SHA-256 as it was recorded when it was fetched."""
    about = {"paths": [], "models": list(folders)}
    found: dict[str, dict[str, str]] = (yield from _one(Question("survey", about))).done()[0]["models"]
    return found


def run(command: Sequence[str], *, check: bool = True) -> Asking[str]:
    """Standard output of a command. Raises KitError with everything it printed when it fails."""
    answer = yield from _one(Question("run", {"command": list(command)}))
    return answer.printed(command[0], check=check)


def look(name: str, request: object = None) -> Asking[dict[str, Any]]:
    """The document that one of the kit's own host programs prints. Raises KitError."""
    answer = yield from _one(Question("run", {"command": [], "program": name}, json.dumps(request).encode()))
    text = answer.printed(name)
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise KitError(f"The host's answer to `{name}` cannot be read.", output=text) from None
    return found
