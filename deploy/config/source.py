"""YAML with the place of every key, so that an error can point at it."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy import reading
from deploy.config.quoting import shown
from deploy.errors import InventoryError, KitError, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
"""Levels. An inventory has five; without a bound, a file of brackets alone would end in a stack trace."""

Key = str | int
Place = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """A parsed YAML file: `data`, and where each key of it stands (1-based line and column)."""

    path: str
    data: Any
    places: dict[tuple[Key, ...], Place]
    texts: dict[tuple[Key, ...], str] = field(default_factory=dict)
    """Each value that is no text as it was written: `off`, which is false, or 0x10, which is 16."""

    def shown(self, keys: Sequence[Key], value: object) -> str:
        """A value at a place, as it was written there."""
        return self.texts.get(tuple(keys)) or shown(value)

    def place(self, keys: Sequence[Key]) -> str:
        """file:line:column of the deepest key of `keys` that the file has."""
        steps = tuple(keys)
        while steps and steps not in self.places:
            steps = steps[:-1]
        line, column = self.places.get(steps, (1, 1))
        return f"{self.path}:{line}:{column}"


def read(path: Path) -> Source:
    """Parse a file. Raises KitError when it cannot be read, InventoryError when it is not YAML."""
    try:
        raw = reading.whole(path, MAX_BYTES)
    except FileNotFoundError:
        raise KitError(
            f"There is no {path}.",
            "`greffier init` writes a first inventory; `--inventory PATH` names another.",
            code=2,
        ) from None
    except reading.TooLarge:
        raise KitError(f"{path} is not an inventory: it has more than {MAX_BYTES} bytes.", code=2) from None
    except OSError as error:
        raise KitError(f"{path} cannot be read: {error.strerror}.", code=2) from None
    return parse(raw, str(path))


def parse(raw: bytes, name: str) -> Source:
    """Parse bytes; duplicate keys and aliases are refused, for neither can be told apart later."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InventoryError([Problem(f"{name}:1:1", f"not UTF-8 text (byte {error.start})")]) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise InventoryError([_not_yaml(name, error)]) from None
    except yaml.YAMLError as error:  # a control character, say
        raise InventoryError([Problem(f"{name}:1:1", f"not valid YAML: {str(error).splitlines()[0]}")]) from None
    except RecursionError:
        raise InventoryError([Problem(f"{name}:1:1", "nested too deeply")]) from None
    builder = _Builder(name)
    data = {} if root is None else builder.build(root, ())
    if builder.problems:
        raise InventoryError(builder.problems)
    return Source(name, data, builder.places, builder.texts)


_WRONG = (
    (r"character '\\t'", False, "a tab: YAML is indented with spaces"),
    (r"mapping values are not allowed", False, "not valid YAML here (is a `:` missing at the end of the line above?)"),
    (r"unexpected end of stream", True, "a quote that begins here is never closed"),
    (r"found another document", False, "a second document begins here (`---`): an inventory is one document"),
)
"""(what PyYAML says, whether the mistake is where it began to read the thing, what to say instead)"""


def _not_yaml(name: str, error: yaml.MarkedYAMLError) -> Problem:
    """Where and why a text is not YAML."""
    mark, message = error.problem_mark or error.context_mark, f"not valid YAML: {error.problem}"
    for said, at_its_beginning, instead in _WRONG:
        if re.search(said, error.problem or ""):
            message = instead
            mark = error.context_mark if at_its_beginning and error.context_mark else mark
    return Problem(f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1", message)


class _Builder:
    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[tuple[Key, ...], Place] = {}
        self.texts: dict[tuple[Key, ...], str] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()
        self._scalars = yaml.constructor.SafeConstructor()

    def _problem(self, node: yaml.Node, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(f"{self.name}:{mark.line + 1}:{mark.column + 1}", message))

    def build(self, node: yaml.Node, path: tuple[Key, ...]) -> Any:
        self.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.ScalarNode):
            value = self._scalar(node)
            if value is not None and not isinstance(value, str):
                self.texts[path] = node.value
            return value
        if id(node) in self._seen:
            self._problem(node, "aliases (*name) are not allowed: write the value out")
            return None
        self._seen.add(id(node))
        if len(path) > MAX_DEPTH:
            self._problem(node, "nested too deeply")
            return None
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                self._problem(key_node, "a key must be a plain word" + _quoting(key_node))
                continue
            if key in result:
                self._problem(key_node, f"{shown(key)} is written twice")
                continue
            at = (*path, key)
            self.places[at] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.build(value_node, at)
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
            return node.value
        try:
            value = self._scalars.construct_object(node, deep=True)
        except (yaml.constructor.ConstructorError, ValueError):
            self._problem(node, f"{node.tag} cannot be read as a value")
            return None
        if isinstance(value, int) and value.bit_length() > 63:
            self._problem(node, "a number as large as this cannot be read as a value")
            return None
        if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
            self._problem(node, "half a surrogate pair cannot be read as text")
            return None
        return value


def _quoting(node: yaml.Node) -> str:
    """`off` and `no` are words to people, and false to YAML."""
    return f": write '{node.value}', in quotes" if isinstance(node, yaml.ScalarNode) and node.value else ""
