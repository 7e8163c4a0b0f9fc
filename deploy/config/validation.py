"""An inventory.yml checked against its models: every mistake at file:line:column, all at once."""

import copy
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from deploy.config import suggestions
from deploy.config.fields import VARIABLE
from deploy.config.inventory import Inventory
from deploy.config.quoting import shown
from deploy.config.source import Key, Source, read
from deploy.errors import InventoryError, Problem


def load(path: Path) -> tuple[Inventory, list[Problem], Source]:
    """Read an inventory. Raises KitError when it cannot be read as one at all."""
    source = read(path)
    return *validate(source), source


def validate(source: Source) -> tuple[Inventory, list[Problem]]:
    """What is right of a parsed file, and what is wrong with the rest: so that what follows can be checked as
    well, and everything is told at once. Raises InventoryError when nothing can be made of it."""
    problems: list[Problem] = []
    pruned: set[tuple[Key, ...]] = set()
    data = copy.deepcopy(source.data)
    while True:
        try:
            return Inventory.model_validate(data), problems
        except ValidationError as error:
            found: list[dict[str, Any]] = [dict(e) for e in error.errors()]
        # What is missing only since it was taken out, or is there under a wrong name, has been told already.
        told = [any(p[: len(e["loc"])] == e["loc"] for p in pruned) or _misnamed(source, e) for e in found]
        problems += [_problem(source, e) for e, known in zip(found, told, strict=True) if not known]
        out = [_prune(data, e) for e in found]
        if not all(out) or pruned.issuperset(out):
            raise InventoryError(problems)
        pruned |= set(out)


def _prune(data: Any, error: dict[str, Any]) -> tuple[Key, ...]:
    """Take out what is wrong: the key itself, what lacks a key, or the list it stands in. Returns its path."""
    keys = [key for key in error["loc"] if key != "[key]"]
    if error["type"] == "missing":
        keys.pop()
    for depth, key in enumerate(keys, 1):
        inside = data.get(key)
        if depth == len(keys) or not isinstance(inside, dict):
            data.pop(key, None)
            return tuple(keys[:depth])
        data = inside
    return ()


def written(source: Source, keys: Sequence[Key]) -> bool:
    """Whether a key stands in the file, right or wrong, or one that was meant to be it: what is said of it, its own
    mistake says."""
    *parents, key = keys
    there: Any = source.data
    for parent in parents:
        there = there.get(parent) if isinstance(there, dict) else None
    known = _fields_at(list(parents))
    others = [other for other in there if other not in known] if isinstance(there, dict) else []
    return tuple(keys) in source.places or any(_close(other, known) == key for other in others)


def _misnamed(source: Source, error: dict[str, Any]) -> bool:
    return error["type"] == "missing" and written(source, error["loc"])


def _close(key: Key, known: list[str]) -> str:
    return "".join(difflib.get_close_matches(str(key), known, 1, 0.5))


def _problem(source: Source, error: dict[str, Any]) -> Problem:
    keys: list[Key] = [key for key in error["loc"] if key != "[key]"]
    place = source.place(keys)
    kind = error["type"]
    if (
        keys[2:3] == ["secrets"]
        or keys[2:4] == ["tls", "key"]
        or keys[:2] in (["notify", "password"], ["notify", "webhook"])
    ):
        return Problem(place, _of_secret(keys, error))
    where = ".".join(map(str, keys)) or "the file"
    if kind == "extra_forbidden":
        known = _fields_at(keys[:-1])
        close = _close(keys[-1], known)
        hint = f"did you mean {close!r}?" if close else f"known here: {', '.join(known)}"
        return Problem(place, f"unknown key {shown(keys[-1])}", hint)
    if kind == "missing":
        return Problem(place, f"{where} is missing", suggestions.missing(keys))
    value = error["input"]
    if value is None:
        return Problem(place, f"{where} is empty", suggestions.empty(keys))
    said = source.shown(keys, value)
    if kind == "value_error":
        # What a value's form says begins with the value, as Python has it.
        message, begin = str(error["ctx"]["error"]), shown(value)
        message = said + message.removeprefix(begin) if message.startswith(begin) else message
        return Problem(place, f"{where}: {message}")
    if kind == "literal_error":
        choices = error["ctx"]["expected"]
        return Problem(
            place, f"{where}: {said} is not one of {choices}", suggestions.chosen(keys, value, choices.split("'")[1::2])
        )
    if kind == "too_short":
        return Problem(place, f"{where}: at least one is needed")
    if kind in _TYPES:
        return Problem(place, f"{where}: {said} is not {_TYPES[kind]}", _instead(kind, keys, value))
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return Problem(place, f"{where}: {said} is {word} {error['ctx'][bound]}")
    return Problem(place, f"{where}: {said}: {error['msg'][:1].lower()}{error['msg'][1:]}")


def _instead(kind: str, keys: list[Key], value: object) -> str:
    """What to write in place of a value of another kind."""
    if kind in ("dict_type", "model_type"):
        return suggestions.mapping(keys, value)
    return suggestions.listed(keys, value) if kind == "list_type" else suggestions.plain(value, kind)


def _of_secret(keys: list[Key], error: dict[str, Any]) -> str:
    """What is wrong with a secret. Whatever stands there may be the secret itself: it is not repeated."""
    if "[key]" in error["loc"]:
        return f"{'.'.join(map(str, keys[:-1]))}: a key there is not the name of an environment variable"
    named = [str(key) for key in keys[:4] if VARIABLE.fullmatch(str(key))]
    where = ".".join(named)
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    if error["input"] is None:
        return f"{where} is empty"
    return f"{where}: not {_TYPES['dict_type'] if keys[-1] == 'secrets' else 'a reference such as env:NAME'}"


_BOUNDS = {
    "less_than_equal": ("too large: at most", "le"),
    "greater_than_equal": ("too small: at least", "ge"),
    "greater_than": ("too small: more than", "gt"),
}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "model_type": "a mapping of keys to values",
}


def _fields_at(keys: list[Key]) -> list[str]:
    """Keys that the models know at this path."""
    model: Any = Inventory
    named = False
    for key in keys:
        if named:  # a name of the operator's choice, whatever it is
            named = False
            continue
        annotation = model.model_fields[key].annotation
        named = get_origin(annotation) is dict
        options = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not options:  # names and plain values
            return []
        model = options[0]
    return list(model.model_fields)
