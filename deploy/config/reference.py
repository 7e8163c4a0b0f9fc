"""The pages that are written from the models: docs/inventory.md and docs/inventory.schema.json.

`python -m deploy.reference` (or `make docs`) writes them; a test holds them equal to what the models say.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from deploy import ROOT, errors
from deploy.config import example, fields, inventory, quantities, schema, secrets
from deploy.config.resolve import RESERVED_NAMES

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", inventory.Inventory),
    ("hosts.NAME", inventory.Host),
    ("hosts.NAME.tls", inventory.Tls),
    ("services.NAME", inventory.Service),
    ("services.NAME.jobs", inventory.Jobs),
    ("portal", inventory.Portal),
    ("notify", inventory.Notify),
)
STATUSES: Mapping[int, str] = {
    0: "Done; for `plan`: the hosts match the inventory.",
    errors.INVENTORY: "The inventory, something it refers to, or the command line is wrong. Nothing was changed.",
    errors.HOST: "A host failed a step, could not be reached, or got no certificate. The message says which.",
    errors.CHANGES: "`plan` only: a deploy would change something.",
    errors.LOCKED: "Someone else is deploying to the host. The message says who.",
    130: "Interrupted with Ctrl-C.",
}
# What `get_type_hints` gives for these is compared by value: an alias has no name of its own at run time.
_WORDS: tuple[tuple[Any, str], ...] = (
    (fields.Size, "a size"),
    (fields.Start, "a duration of at most a day"),
    (fields.Duration, "a duration"),
    (fields.Kept, "a duration, or `never`"),
    (fields.KeptLong, "a duration, or `forever`"),
    (fields.WebAddress, "an address such as https://example.org/hook"),
    (fields.Idle, "a duration, or `never`"),
    (fields.Port, "a port, 1 to 65535"),
    (fields.Listen, "a port, or address:port"),
    (fields.Hostname, "a host name"),
    (fields.Origin, "an origin such as https://app.example.org"),
    (fields.Plain, "text on one line"),
    (fields.Diarization, "a model's name, or a folder"),
    (fields.Webhook, "an address, or a secret reference"),
    (fields.SecretText, "a secret reference"),
    (bool, "true or false"),
    (str, "text"),
)
_VALUES = """\
## How values are written

- **Sizes** are a whole number and a unit: `{size}`. The units are K, M, G and T, in powers of 1024.
- **Durations** are a whole number and a unit: `90s`, `15m`, `2h`, `1d`; at most `{duration}`.
- **Secrets** are never in the file. A reference says where to find one; only `check`, `plan` and `deploy` resolve it:
  - `env:HF_TOKEN` is an environment variable of your shell;
  - `file:secrets/hf-token` is the content of a file; the path is relative to the inventory, `~` is your home folder;
  - `command:pass show hf-token` is the first line that a program prints; it runs in the inventory's folder, without
    a shell, for at most {seconds} s.

  A secret that resolves to nothing is an error, and so is one with a quote, a backslash or a control character, which
  an `.env` file cannot hold.
- **Names** of hosts and services are yours to choose. A service's name is also a path of the portal, so these are
  reserved: {reserved}.
- Unknown keys, duplicate keys and aliases (`*name`) are errors.
"""


def page() -> str:
    """docs/inventory.md."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# inventory.yml\n"
    yield "One file describes your hosts and the services that run on them. `greffier init` writes a first one,"
    yield "`greffier check` validates it, and an editor that knows YAML schemas completes and checks it"
    yield "with [inventory.schema.json](inventory.schema.json). `make docs` writes this page from the same models.\n"
    yield "## Example\n"
    yield "```yaml"
    yield example.EXAMPLE.read_text(encoding="utf-8").rstrip("\n")
    yield "```\n"
    yield _VALUES.format(
        size="500M",
        duration=quantities.show_duration(quantities.MAX_DURATION),
        seconds=secrets.COMMAND_SECONDS,
        reserved=", ".join(f"`{name}`" for name in sorted(RESERVED_NAMES)),
    )
    for title, model in SECTIONS:
        yield f"## {_prose(title)}\n"
        yield f"{_prose(model.__doc__ or '')}\n"
        yield "| Key | Type | Default | Meaning |"
        yield "|---|---|---|---|"
        hints = get_type_hints(model, include_extras=True)
        for key, field in model.model_fields.items():
            meaning, _, said = (field.description or "").partition(" Default: ")
            default = _prose(said.rstrip(".")) if said else _default(hints[key], field)
            yield f"| `{key}` | {_prose(_type(hints[key]))} | {default} | {_prose(meaning)} |"
        yield ""
    yield "## Exit statuses\n"
    yield "| Status | Meaning |"
    yield "|---|---|"
    for status, meaning in STATUSES.items():
        yield f"| {status} | {meaning} |"
    yield ""


def _type(hint: Any) -> str:
    """A type in plain words."""
    for alias, words in _WORDS:
        if hint == alias:
            return words
    arguments = get_args(hint)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _type(next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in arguments)
    if origin is list:
        return f"a list, each {_type(arguments[0])}"
    if origin is dict:
        return f"a mapping of names to {_type(arguments[1])}"
    if origin is Annotated:
        return _constrained(hint)
    assert issubclass(hint, BaseModel)
    title = next(title for title, model in SECTIONS if model is hint)
    return f"the keys of [{title}](#{title.replace('.', '').lower()})"


def _constrained(hint: Any) -> str:
    for note in hint.__metadata__:
        if isinstance(note, AfterValidator) and isinstance(note.func, partial):
            return str(note.func.args[1])
        if isinstance(note, FieldInfo) and note.metadata:  # else it says something to editors alone
            low, high = (getattr(limit, name) for limit, name in zip(note.metadata, ("ge", "le"), strict=True))
            return f"a whole number, {low} to {high}"
    return _type(hint.__origin__)


def _default(hint: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "those of its keys"
    if value is None or value == {} or value == []:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if hint == fields.Size:
        return f"`{quantities.show_size(value)}`"
    if hint in (fields.Duration, fields.Start, fields.Idle):
        return f"`{quantities.show_duration(value)}`"
    return f"`{value}`"


def _prose(text: str) -> str:
    """Text for a table of Markdown: angle brackets and bars outside of code are themselves."""
    parts = text.split("`")
    parts[::2] = [p.replace("<", "&lt;").replace("|", "\\|") for p in parts[::2]]
    return "`".join(parts)


def main(folder: Path = ROOT / "docs") -> None:
    """Write both files."""
    folder.mkdir(exist_ok=True)
    (folder / "inventory.md").write_text(page(), encoding="utf-8")
    (folder / "inventory.schema.json").write_text(schema.text() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
