"""References -> secrets. Only operations that need the values call this, and only as late as they can."""

import os
import select
import shlex
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from deploy import reading
from deploy.errors import InventoryError, Problem
from deploy.types import Reference, Secret

COMMAND_SECONDS = 60
MAX_BYTES = 1 << 16
"""Of a secret's file. A key with its chain has a few thousand."""


def resolve(references: Iterable[Reference], folder: Path) -> dict[Reference, Secret]:
    """Every secret; `file:` paths are relative to `folder`. Raises InventoryError naming all that fail."""
    found, problems = looked_up(references, folder)
    if problems:
        raise InventoryError(list(problems.values()))
    return found


def looked_up(
    references: Iterable[Reference], folder: Path
) -> tuple[dict[Reference, Secret], dict[Reference, Problem]]:
    """The same: those that are there, and why the others are not."""
    found: dict[Reference, Secret] = {}
    problems: dict[Reference, Problem] = {}
    for reference in references:
        value, problem = _value(reference, folder)
        if not problem and not _is_text(value):
            problem = "is not text"
        if problem or not value:
            message = f"the secret {reference} {problem or 'is empty'}"
            problems[reference] = Problem(reference.place, message, _HINTS[reference.scheme].format(reference.argument))
        else:
            found[reference] = Secret(value)
    return found, problems


_HINTS = {
    "env": "set the variable first, for example with `read -rs {0} && export {0}`",
    "file": "the path is relative to the inventory",
    "command": "run the command by hand: its first line of output is the secret",
}


def _value(reference: Reference, folder: Path) -> tuple[str, str]:
    match reference.scheme:
        case "env":
            value = os.environ.get(reference.argument)
            return (value or "", "" if value is not None else "is not set in the environment")
        case "file":
            return _content(reference.argument, folder)
        case "command":
            return _output(reference.argument, folder)


def _is_text(value: str) -> bool:
    """What the environment gives may be other bytes."""
    try:
        return value.encode() is not None
    except UnicodeEncodeError:
        return False


def _content(path: str, folder: Path) -> tuple[str, str]:
    try:
        raw = reading.whole(folder / Path(path).expanduser(), MAX_BYTES)
    except reading.TooLarge:
        return "", f"has more than {MAX_BYTES} bytes"
    except (OSError, RuntimeError) as error:
        return "", f"cannot be read: {reading.reason(error)}"
    try:
        return raw.decode().rstrip("\n"), ""
    except UnicodeDecodeError:
        return "", "is not text"


def _output(command: str, folder: Path) -> tuple[str, str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        return "", f"is not a command: {error}"
    try:
        raw, status = _printed(words, folder)
    except (OSError, IndexError):
        return "", "names a program that does not exist"
    if status is None:
        return "", f"took more than {COMMAND_SECONDS} s"
    if len(raw) > MAX_BYTES:
        return "", f"printed more than {MAX_BYTES} bytes"
    if status:
        return "", f"failed with status {status}"
    try:
        return raw.decode().split("\n", 1)[0], ""
    except UnicodeDecodeError:
        return "", "printed something that is not text"


def _printed(words: Sequence[str], folder: Path) -> tuple[bytes, int | None]:
    """What a program printed, up to a little more than is taken, and its status; None: it was ended for its time."""
    until = time.monotonic() + COMMAND_SECONDS
    raw = b""
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        handle = process.stdout.fileno()
        try:
            while len(raw) <= MAX_BYTES:
                left = max(until - time.monotonic(), 0)
                if not select.select([handle], [], [], left)[0]:
                    return raw, None
                part = os.read(handle, MAX_BYTES)
                if not part:
                    return raw, process.wait(max(until - time.monotonic(), 0))
                raw += part
        except subprocess.TimeoutExpired:
            return raw, None
        finally:
            process.kill()
    return raw, 0
