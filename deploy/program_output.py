"""What programs print and log, read for people: the last error of it, and no stack traces."""

import json
import re
from typing import Any

MAX_LINE = 500
"""Characters of what others said that go into a sentence."""

_STAMP = r"(?:#\d+ \d+\.\d+ )?"
"""Docker's, before each line of a build."""
_BLANK = rf"(?:{_STAMP}\s*\n)*"
_CAUSE = re.compile(
    rf"^{_STAMP}\S.*\n{_BLANK}{_STAMP}(?:During handling of the above|The above) exception.*\n{_BLANK}", re.MULTILINE
)
"""An exception that led to another: the last one counts."""
_TRACE = re.compile(
    rf"^{_STAMP}.*Traceback \(most recent call last\):[ \t]*\n(?:{_STAMP}(?:[ \t].*)?\n)*", re.MULTILINE
)

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""What colours a terminal, moves on it, or names its window (ECMA-48)."""


def untraced(text: str) -> str:
    """The same text, with each of Python's stack traces as the line that it ends in: what was wrong."""
    return _TRACE.sub("", _CAUSE.sub("", text)) if "Traceback (" in text else text


def readable(text: str) -> str:
    """What a terminal would show of it, in one colour: lines without anything that moves or colours."""
    plain = _ESCAPES.sub("", text).replace("\r", "\n")
    lines = ("".join(c for c in line if c.isprintable() or c == "\t").rstrip() for line in plain.split("\n"))
    return "\n".join(line for line in lines if line)


def last_line(text: str) -> str:
    """The last line with something in it, without the full stop that a sentence sets itself."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return shortened(lines[-1]).rstrip(".") if lines else ""


def sentence(what: str, why: str = "") -> str:
    """What happened, and why where that is known, with one full stop."""
    return f"{what}: {why}".rstrip(".: ") + "."


def shortened(text: str) -> str:
    """A text cut to what fits into a sentence."""
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"


def error_of(log: str, request: str) -> str:
    """Why a service could not do what it was asked, out of its log, by the request's id: what the stack ends in, or
    else the message. Empty where nothing is said of it."""
    found = ""
    for line in log.splitlines():
        said = entry(line)
        if said.get("request_id") == request and said.get("level") in ("error", "critical"):
            found = last_line(str(said.get("exception") or said.get("message") or "")) or found
    return found


def entry(line: str) -> dict[str, Any]:
    """A line of a log in JSON; nothing of any other."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
