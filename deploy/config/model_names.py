"""What people call a model, and which one they mean: as the service itself takes the names in a request."""

import difflib
import re

from deploy.config.catalog import Models, Named

OPENAI = frozenset(
    {"whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"}
    | {"gpt-live-transcribe", "gpt-realtime-whisper"}
)
"""Names of OpenAI's own, dated ones too: they mean whatever a service has as its first."""
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def meant(models: Models, name: str) -> str | None:
    """The model, as the hub has it; None for a name that means none."""
    owner, slash, bare = name.rpartition("/")
    if models.closed and slash:
        return name if _named(models, name) else None
    if name in models.known or (slash and owner not in models.elsewhere):
        return name
    if not slash and _DATE.sub("", name) in OPENAI:
        return models.default
    found = models.names.get(_short(bare))
    return found.model if found else name if slash else None


def advice(models: Models, name: str) -> str:
    """What to write in place of a name that means no model."""
    short = [*models.names, *(known for known in models.known if "/" in known), models.default]
    close = difflib.get_close_matches(_short(name), short, 1, 0.6) or difflib.get_close_matches(name, short, 1, 0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if models.closed:
        return f"the models are {', '.join(models.names)}"
    known = f"known: {', '.join(models.names)}; " if models.names else ""
    return f"{known}any other by its hub name, owner/name"


def patterns(models: Models, name: str) -> tuple[str, ...]:
    """Which files of the hub's belong to a model."""
    return tuple(next((named.patterns for named in _named(models, name) if named.patterns), models.patterns))


def size(models: Models, name: str) -> int:
    """About how many bytes a model has, by its name on the hub; 0 where nobody knows."""
    if name in models.known:
        return sum(file.size for file in models.known[name].files.values())
    return next((named.size for named in _named(models, name)), 0)


def memory(models: Models, name: str) -> int:
    """What a service needs to run with it; 0 where that is what its kind needs."""
    known = models.known.get(name)
    return (known.memory if known else 0) or next((named.memory for named in _named(models, name)), 0)


def _named(models: Models, name: str) -> list[Named]:
    return [named for named in models.names.values() if named.model == name]


def _short(bare: str) -> str:
    """faster-whisper-base is `base`; faster-distil-whisper-small.en is `distil-small.en`."""
    return re.sub(r"^faster-|whisper-|-ct2$", "", bare.lower())
