"""The log on standard error, a line for each thing that happened: JSON for machines, words for a terminal."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType

from stt_core.observability.account import Account, Attributes

CHATTY = ("httpx", "httpx2", "httpcore", "httpcore2", "faster_whisper")
"""Libraries that log at INFO what a client sent: addresses with their secrets, words."""

log = logging.getLogger("stt")


def configure(form: str | None, level: str = "info") -> None:
    """Everything that is logged, warned of or not caught becomes lines of this form: json, or text.

    None: text where standard error is a terminal, else json. level: what is logged at least.
    """
    text = sys.stderr.isatty() if form is None else form == "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Text() if text else Json())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda failed: _uncaught(
        failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback
    )


class Json(logging.Formatter):
    """An object a line: time, level, logger, message, the record's fields; `exception` with the stack."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Text(logging.Formatter):
    """Time, level, message and key=value; a stack goes on below."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={value}" for key, value in getattr(record, "fields", {}).items())
        line = f"{_time(record)} {record.levelname} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def request_fields(account: Account, trace: str | None) -> Attributes:
    """The fields of a request's line; those that it has nothing to say of are left out. `trace`: its id."""
    fields = {
        "request_id": account.identity,
        "method": account.method,
        "route": account.route,
        "status": account.status or None,
        "seconds": round(account.seconds, 3),
        "audio_seconds": round(account.audio_seconds, 3) or None,
        "model": account.model or None,
        "gone": account.gone or None,
        "trace_id": trace,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _uncaught(kind: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
    log.critical("uncaught %s", kind.__name__, exc_info=(kind, error, stack))
