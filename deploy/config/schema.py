"""JSON Schema of inventory.yml: what an editor can tell while somebody writes, of what `check` would."""

import json
from collections.abc import Iterator
from typing import Any

from deploy.config import catalog, model_names, rules
from deploy.config.catalog import Own
from deploy.config.inventory import Inventory
from deploy.config.resolve import RESERVED_NAMES

Part = dict[str, Any]
HUB = "^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"
"""A model by its whole name."""


def document() -> Part:
    """The schema, as data."""
    whole = Inventory.model_json_schema()
    _close(whole)
    _fill(whole)
    parts = whole["$defs"]
    whole["properties"]["services"]["propertyNames"] = {"not": {"enum": sorted(RESERVED_NAMES)}}
    parts["Service"]["properties"]["kind"]["enum"] = list(catalog.load())
    parts["Service"]["allOf"] = list(_kinds())
    parts["Host"] |= {"if": _is("runtime", "process"), "else": {"required": ["domain"]}}
    brought = ["certificate", "key"]
    parts["Tls"] |= {"if": _is("mode", "files"), "then": {"required": brought}, "else": _without(brought)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _close(part: Any) -> None:
    """Names of one's own choice have a form: whatever has another is none."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            part["additionalProperties"] = False
        for inside in part.values():
            _close(inside)
    elif isinstance(part, list):
        for inside in part:
            _close(inside)


def _fill(part: Any) -> None:
    """A key that is written has a value: null is none."""
    if isinstance(part, dict):
        if {"type": "null"} in part.get("anyOf", ()):
            others = [one for one in part.pop("anyOf") if one != {"type": "null"}]
            part |= others[0] if len(others) == 1 else {"anyOf": others}
        if part.get("default", ...) is None:
            del part["default"]
        for inside in part.values():
            _fill(inside)
    elif isinstance(part, list):
        for inside in part:
            _fill(inside)


def _kinds() -> Iterator[Part]:
    """What each kind takes, and what it does not."""
    for name, kind in catalog.load().items():
        if not isinstance(kind.manifest, Own):
            required = {"required": [key for key, _ in rules.REQUIRED]}
            yield {"if": _is("kind", name), "then": required | _without(rules.OF_THE_KIT)}
            continue
        models = kind.manifest.models
        names = {"enum": [*models.names, *sorted(model_names.OPENAI), *(n for n in models.known if "/" not in n)]}
        model = {"anyOf": [names, {"pattern": HUB}]}
        properties = {"model": model, "models": {"items": model}, **_without(rules.OF_A_CONTAINER)["properties"]}
        properties["compute_type"] = {"enum": kind.manifest.formats}
        yield {"if": _is("kind", name), "then": {"properties": properties}}


def _is(key: str, value: str) -> Part:
    return {"properties": {key: {"const": value}}, "required": [key]}


def _without(keys: Any) -> Part:
    return {"properties": dict.fromkeys(keys, False)}


def text() -> str:
    """The schema as it is printed and written to docs/."""
    return json.dumps(document(), indent=2)
