"""What people write where something else is meant, and what to write instead."""

import difflib
from collections.abc import Sequence

from deploy.config.quoting import shown
from deploy.config.source import Key

_MEANT = {
    "runtime": {"docker": "compose", "container": "compose", "podman": "compose", "local": "process"},
    "device": {"gpu": "cuda", "nvidia": "cuda", "cuda:0": "cuda", "auto": "cpu"},
    "build": {"local": "laptop", "remote": "host", "server": "host"},
    "mode": {"acme": "letsencrypt", "certbot": "letsencrypt", "le": "letsencrypt", "lets-encrypt": "letsencrypt"}
    | {"self-signed": "internal", "selfsigned": "internal", "file": "files", "manual": "files"},
}
"""Of each choice, what others call it."""
_KINDS = {
    **{"whisper": "faster-whisper", "fasterwhisper": "faster-whisper", "faster-whisper": "faster-whisper"},
    **{"openai-whisper": "pytorch", "torch": "pytorch", "transformers": "pytorch"},
    **{"docker": "container", "image": "container"},
}
"""What others call the kinds."""
_MODES = ("letsencrypt", "internal", "files")
_SHAPES = {
    "hosts": "hosts: {vps: {domain: example.org}}",
    "services": "services: {whisper: {kind: faster-whisper}}",
    "tls": "tls: {mode: internal}",
    "environment": "environment: {NAME: 'value'}",
    "secrets": "secrets: {HF_TOKEN: 'env:HF_TOKEN'}",
    "volumes": "volumes: {data: /data}",
    "alignment": "alignment: {fr: owner/name}",
    "portal": "portal: {enabled: false}",
    "notify": "notify: {webhook: 'env:HOOK'}",
}
"""What is a mapping, as it is written."""


def mapping(keys: Sequence[Key], value: object) -> str:
    """What to write where a mapping is wanted, and something else stands."""
    key = str(keys[-1]) if keys else ""
    if key == "tls" and isinstance(value, str):
        return f"write tls: {{mode: {_meant('mode', value, _MODES) or 'internal'}}}"
    if len(keys) == 2 and isinstance(value, str) and keys[0] == "services":
        return f"write {key}: {{kind: {value}}}"
    if len(keys) == 2 and isinstance(value, str) and keys[0] == "hosts":
        return f"write {key}: {{domain: {value}}}"
    if key == "portal" and isinstance(value, bool):
        return f"write portal: {{enabled: {shown(value)}}}"
    if key in _SHAPES and isinstance(value, list):
        return f"each has a name: write {_SHAPES[key]}"
    return f"write {_SHAPES[key]}" if key in _SHAPES else ""


def empty(keys: Sequence[Key]) -> str:
    """What to write where a key has no value."""
    key = keys[-1] if keys else ""
    if key == "hosts":
        return f"write {_SHAPES['hosts']}"
    if len(keys) == 2 and keys[0] in ("hosts", "services"):
        return f"write {key}: {{{'domain: example.org' if keys[0] == 'hosts' else 'kind: faster-whisper'}}}"
    if key == "kind":
        return "such as kind: faster-whisper"
    return f"write {_SHAPES[str(key)]}, or leave it out" if key in _SHAPES else "write a value, or leave it out"


def listed(keys: Sequence[Key], value: object) -> str:
    """What to write where a list is wanted."""
    one = isinstance(value, str) and "," not in value and value.isprintable()
    return f"write {keys[-1]}: [{_item(str(value))}]" if one else ""


def chosen(keys: Sequence[Key], value: object, choices: Sequence[str]) -> str:
    """What was meant where none of the choices stands; empty where nobody knows."""
    if not isinstance(value, str):
        return ""
    found = _meant(str(keys[-1]), value, choices)
    return f"did you mean {found!r}?" if found else ""


def plain(value: object, kind: str) -> str:
    """What to write where quotes, or the want of them, are what is wrong."""
    text = str(value).lower()
    if kind == "string_type":
        return "put it in quotes" if isinstance(value, (int, float)) else ""
    if kind == "int_type" and text.isdecimal():
        return f"write {text}, without quotes"
    words = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    return f"write {words[text]}, without quotes" if kind == "bool_type" and text in words else ""


def named(name: str, names: Sequence[str]) -> str:
    """Which of the names was meant, and all of them."""
    meant = _KINDS.get(name.lower().replace("_", "-"), "")
    close = [meant] if meant in names else difflib.get_close_matches(name, names, 1, 0.6)
    known = f"known: {', '.join(names)}"
    return f"did you mean {close[0]!r}? {known}" if close else known


def _meant(key: str, text: str, choices: Sequence[str]) -> str:
    """Which of the choices was meant; empty where nobody knows."""
    text = text.lower()
    close = difflib.get_close_matches(text, choices, 1, 0.6)
    return text if text in choices else _MEANT.get(key, {}).get(text, "") or (close[0] if close else "")


def _item(text: str) -> str:
    return f"'{text}'" if any(c in text for c in ":#{}[],&*!|>%@`") else text


def missing(keys: Sequence[Key]) -> str:
    """An example of a key that has to be there; empty where there is none."""
    if keys[:1] in (["hosts"], ["services"]):
        return "`greffier init` writes a first inventory" if len(keys) == 1 else _EXAMPLES.get(str(keys[-1]), "")
    return ""


_EXAMPLES = {"kind": "such as kind: faster-whisper"}
