"""The configuration file: JSON in, checked values out.

Every error names the key it is about, and all of them are told at once. Nothing is repaired silently.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .entry import Address, Policy, ProcessEntry, Release, ServiceEntry, TcpEntry

MAX_CONFIG_BYTES = 4 * 1024 * 1024
DEFAULT_QUIET_PATHS = ("/health", "/ready", "/metrics", "/status", "/openapi.json")

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
"""What Docker takes for a container's name."""


class ConfigError(Exception):
    """The configuration cannot be used. The text has one line per mistake, each with its key."""


@dataclass(frozen=True)
class Config:
    """`control` is the path of the control socket."""

    listen: Address
    control: Path
    services: tuple[ServiceEntry, ...]


class _Section:
    """A JSON object whose keys are taken one by one; what is left over in the end is unknown."""

    def __init__(self, value: object, where: str, errors: list[str]) -> None:
        self.where = where
        self.errors = errors
        self.values: dict[str, Any] = {}
        if isinstance(value, dict):
            self.values = dict(value)
        else:
            errors.append(f"{where or 'the file'}: must be an object")

    def key(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def fail(self, name: str, message: str) -> None:
        self.errors.append(f"{self.key(name)}: {message}")

    def take(self, name: str, kind: type, default: object = ...) -> Any:
        """The value of a key, or its default. A wrong type is an error and gives the type's empty value."""
        value = self.values.pop(name, default)
        if value is ...:
            self.fail(name, "is missing")
            return kind()
        if value is default:
            return value
        wanted = (int, float) if kind is float else kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            self.fail(name, f"must be {_KINDS[kind]}")
            return kind()
        return value

    def check(self, name: str, good: bool, message: str) -> None:
        """Tells of a wrong value, unless something is told of this key already."""
        if not good and not any(line.startswith(self.key(name) + ": ") for line in self.errors):
            self.fail(name, message)

    def text(self, name: str, pattern: re.Pattern[str], meaning: str) -> str:
        value: str = self.take(name, str)
        self.check(name, bool(pattern.match(value)), f"{value!r} is not {meaning}")
        return value

    def number(self, name: str, low: float, high: float, default: object = ...) -> float:
        value: float = self.take(name, float, default)
        self.check(name, low <= value <= high, f"must be between {low:g} and {high:g}, not {value}")
        return value

    def port(self, name: str, value: int) -> None:
        self.check(name, 1 <= value <= 65535, f"must be a port from 1 to 65535, not {value}")

    def url_path(self, name: str, default: str) -> str:
        value: str = self.take(name, str, default)
        self.check(name, _is_url_path(value), f"{value!r} must start with / and have no spaces or ?")
        return value

    def file(self, name: str, default: object = ...) -> Path | None:
        value = self.take(name, str, default)
        if value is None:
            return None
        good = value.startswith("/") and "\0" not in value
        self.check(name, good, f"{value!r} must be an absolute path")
        return Path(value) if good else Path("/")

    def texts(self, name: str, default: object = ...) -> tuple[str, ...]:
        value = self.take(name, list, default)
        good = all(isinstance(item, str) and "\0" not in item for item in value)
        self.check(name, good, "must be a list of strings")
        return tuple(value) if good else ()

    def done(self) -> None:
        for name in self.values:
            self.fail(name, "is not a known key")


_KINDS: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _is_url_path(value: object) -> bool:
    return isinstance(value, str) and bool(re.match(r"/[^\s?#]*\Z", value))


def load_config(path: Path) -> Config:
    """Reads and checks the file. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        document = json.loads(raw)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    try:
        return parse_config(document)
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None


def parse_config(document: object) -> Config:
    """The checked configuration. Raises ConfigError with one line per mistake."""
    errors: list[str] = []
    top = _Section(document, "", errors)
    listen = _parse_listen(top)
    control = top.file("control") or Path("/")
    found = [_parse_service(hostname, value, errors) for hostname, value in top.take("services", dict).items()]
    services = tuple(entry for entry in found if entry is not None)
    top.done()
    _refuse_repeats(services, errors)
    if errors:
        raise ConfigError("\n".join(errors))
    return Config(listen, control, services)


def _parse_listen(top: _Section) -> Address:
    value: str = top.take("listen", str)
    address, _, port = value.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    good = bool(re.match(r"[0-9]{1,5}\Z", port)) and int(port) <= 65535
    top.check("listen", loopback, f"{value!r} must be a loopback address: there is no password here")
    top.check("listen", good, f"{value!r} must end in a port")
    return address, int(port) if good else 0


def _parse_service(hostname: str, value: object, errors: list[str]) -> ServiceEntry | None:
    section = _Section(value, f"services.{hostname}", errors)
    if not _HOST_NAME.match(hostname):
        errors.append(f"services.{hostname}: is not a lower-case host name")
    driver: str = section.take("driver", str)
    section.check("driver", driver in _DRIVERS, f"{driver!r} is not known; known: {', '.join(_DRIVERS)}")
    if driver not in _DRIVERS:  # what else must be there depends on the driver
        return None
    quiet = section.texts("quietPaths", DEFAULT_QUIET_PATHS)
    for path in quiet:
        section.check("quietPaths", _is_url_path(path), f"{path!r} must start with / and have no spaces or ?")
    tcp = _parse_tcp(section)
    port = int(section.take("proxyPort", int))
    release = Release(
        driver=driver,
        digest=section.take("release", str),
        port=port,
        ports=frozenset({port, *(one.port for one in tcp)}),
        compose_dir=section.file("composeDir", ... if driver == "docker" else None),
        containers=section.texts("containers", ... if driver == "docker" else ()),
        process=_parse_process(section) if driver == "process" else None,
    )
    policy = Policy(
        hostname=hostname,
        blocking=section.take("blocking", bool, True),
        health_path=section.url_path("healthPath", "/health"),
        ready_path=section.url_path("readyPath", "/ready"),
        quiet_paths=frozenset(quiet),
        openapi=section.file("openapi", None),
        idle_seconds=section.number("idleSeconds", 0, 31_536_000),
        start_seconds=section.number("startSeconds", 0.1, 86_400, 30),
        stop_seconds=section.number("stopSeconds", 0, 86_400, 30),
        drain_seconds=section.number("drainSeconds", 0, 86_400, 300),
        tells_why=section.take("tellsWhy", bool, False),
        wake_file=section.file("wakeFile", None),
        tcp=tcp,
    )
    name = section.text("name", _NAME, "a name of letters, digits and . _ -")
    if driver == "docker":
        _check_containers(section, release.containers)
        if section.values.pop("process", None) is not None:
            section.fail("process", "is only for the driver process")
    section.port("proxyPort", port)
    section.done()
    return ServiceEntry(name, release, policy)


def _parse_tcp(parent: _Section) -> tuple[TcpEntry, ...]:
    found = []
    for index, value in enumerate(parent.take("tcp", list, [])):
        section = _Section(value, f"{parent.key('tcp')}.{index}", parent.errors)
        match section.take("listen", list):
            case [str(address), int(port)] if _is_address(address) and 1 <= port <= 65535:
                listen = (address, port)
            case _:
                listen = ("", 0)
                section.check("listen", False, 'must be [address, port], such as ["127.0.0.1", 10300]')
        entry = TcpEntry(listen, int(section.take("port", int)))
        section.port("port", entry.port)
        section.done()
        found.append(entry)
    return tuple(found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_containers(section: _Section, names: tuple[str, ...]) -> None:
    section.check("containers", bool(names), "must name the container that serves")
    section.check("containers", len(set(names)) == len(names), "must not name a container twice")
    for name in names:
        section.check("containers", bool(_CONTAINER.match(name)), f"{name!r} is not a container's name")


def _parse_process(parent: _Section) -> ProcessEntry:
    section = _Section(parent.take("process", dict), parent.key("process"), parent.errors)
    command = section.texts("command")
    section.check("command", bool(command and command[0]), "must name the program to run")
    environment = section.take("environment", dict, {})
    for key, value in environment.items():
        if not _VARIABLE.match(key):
            section.fail(f"environment.{key}", "is not a variable's name")
        if not isinstance(value, str) or "\0" in value:
            section.fail(f"environment.{key}", "must be a string")
    entry = ProcessEntry(
        command=command,
        directory=section.file("directory") or Path("/"),
        environment=tuple(sorted((str(key), str(value)) for key, value in environment.items())),
        environment_file=section.file("environmentFile", None),
        log=section.file("log") or Path("/"),
    )
    section.done()
    return entry


def _singular(entry: ServiceEntry) -> Iterator[tuple[str, object]]:
    """What only one may have, by its key. Values of two sorts are of two types, and so never equal."""
    yield "name", entry.name
    yield "proxyPort", entry.release.port
    for number, tcp in enumerate(entry.policy.tcp):
        yield f"tcp.{number}.listen", tcp.listen
        yield f"tcp.{number}.port", tcp.port
    if entry.release.process:
        yield "process.log", entry.release.process.log


def _refuse_repeats(services: tuple[ServiceEntry, ...], errors: list[str]) -> None:
    seen: dict[object, str] = {}
    for entry in services:
        for key, value in _singular(entry):
            place = f"services.{entry.policy.hostname}.{key}"
            first = seen.setdefault(value, place)
            if first != place:
                errors.append(f"{place}: is the same as {first}")
    owners: dict[str, str] = {}
    for entry in services:
        hostname = entry.policy.hostname
        for name in entry.release.containers if entry.release.driver == "docker" else ():
            first = owners.setdefault(name, hostname)
            if first != hostname:
                errors.append(f"services.{hostname}.containers: {name} already belongs to services.{first}")


_DRIVERS = ("docker", "process")
