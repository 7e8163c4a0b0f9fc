"""What nobody foresaw, in a sentence; its stack trace goes into a file."""

import datetime as dt
import os
import traceback
from pathlib import Path

from deploy import ROOT, VERSION
from deploy.errors import BUG, HOST, KitError
from deploy.program_output import shortened

MAX_BYTES = 1 << 20
"""When the file is larger, it begins anew."""


def told(error: Exception) -> KitError:
    """The error itself where it is a sentence already; the machine's own words where they name a path, such as a folder
    that may not be written. Everything else leaves its stack trace in the file."""
    if isinstance(error, KitError):
        return error
    if isinstance(error, OSError) and error.filename and error.strerror:
        return KitError(f"{error.filename}: {error.strerror}.", code=HOST)
    kept = _kept(error)
    hint = f"The stack trace is at the end of {kept}." if kept else ""
    if isinstance(error, OSError):
        return KitError(f"This machine: {error.strerror or error}.", hint, code=HOST)
    return KitError(f"Greffier hit a bug: {_line(error)}.", f"{hint} Please report it.".strip(), code=BUG)


def path() -> Path:
    """The file of stack traces, this user's own. Raises RuntimeError for a user without a home."""
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(folder) / "greffier" / "errors.log"


def _kept(error: Exception) -> Path | None:
    """Where the stack trace was put; None where it could not be."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    text = f"{now} Greffier {VERSION}\n{''.join(traceback.format_exception(error))}\n"
    try:
        file = path()
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = "w" if file.exists() and file.stat().st_size > MAX_BYTES else "a"
        with open(file, mode, encoding="utf-8", errors="replace", opener=_private) as out:
            out.write(text)
    except (OSError, RuntimeError):
        return None
    return file


def _private(file: str, flags: int) -> int:
    return os.open(file, flags, 0o600)


def _line(error: Exception) -> str:
    """`KeyError: 'sha256' (deploy/models/fetching.py, line 92)`: what, and the last place in the kit."""
    what = shortened("".join(traceback.format_exception_only(error)).strip().splitlines()[0])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file == ROOT / "cli.py" or file.is_relative_to(ROOT / "deploy"):
            return f"{what} ({file.relative_to(ROOT)}, line {frame.lineno})"
    return what
