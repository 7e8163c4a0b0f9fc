"""`nginx -T` -> the servers there are, by the file that each can be taken out with. Pure."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from deploy.host.neighbours import HEADING

_TOKEN = re.compile(r"""\s+|\#[^\n]*|[{};]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|\$\{[^}]*\}|[^\s{};\\])+""", re.S)
_LOCAL = re.compile(r"(?:[a-z]+://)?(?:127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1?\]):(\d{1,5})(?![\d.])")
T = TypeVar("T")
_DEPTH = 8  # of files that include files


@dataclass(frozen=True)
class Directive:
    words: tuple[str, ...]
    inside: "list[Directive]"


@dataclass(frozen=True)
class Server:
    """A server block. `names` are exact ones, in small letters; `upstreams` are ports of this host."""

    names: tuple[str, ...]
    listens: tuple[int, ...]
    upstreams: tuple[int, ...]
    passwords: tuple[str, ...]
    """Files that users are looked up in."""


@dataclass(frozen=True)
class Vhost:
    """A file with servers. Only one that a pattern includes can go without nginx missing it."""

    path: str
    servers: tuple[Server, ...]
    movable: bool


def parse(text: str) -> list[Directive]:
    """Directives of one file; what is unbalanced ends where the text does."""
    blocks: list[list[Directive]] = [[]]
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0].isspace() or token[0] == "#":
            continue
        if token not in ("{", "}", ";"):
            quoted = token[0] in "\"'" and len(token) > 1
            words.append(re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.S) if quoted else token)
            continue
        if token != "}" and words:
            blocks[-1].append(Directive(tuple(words), []))
        if token == "{":
            blocks.append(blocks[-1][-1].inside if words else [])
        elif token == "}" and len(blocks) > 1:
            blocks.pop()
        words = []
    return blocks[0]


def includes(dump: str) -> list[str]:
    """Patterns of files that nginx reads, as absolute paths."""
    files = _files(dump)
    return [_absolute(files, words[1]) for text in files.values() for words in _walk(text) if words[0] == "include"]


def vhosts(dump: str) -> list[Vhost]:
    """Every file that has servers, those that it includes counted in."""
    files = _files(dump)
    if not files:
        return []
    found: dict[str, list[Server]] = {}
    movable: dict[str, bool] = {}
    ports = _upstreams(files)

    def gather(path: str, directives: Sequence[Directive], depth: int) -> None:
        for directive in directives:
            if directive.words[0] == "http":
                gather(path, directive.inside, depth)
            elif directive.words[0] == "server" and directive.inside:
                found.setdefault(path, []).append(_server(files, directive, ports))
            elif directive.words[0] == "include" and depth < _DEPTH:
                for each in _included(files, directive):
                    movable[each] = any(sign in directive.words[-1] for sign in "*?[")
                    gather(each, files[each], depth + 1)

    main = next(iter(files))
    gather(main, files[main], 0)
    return [Vhost(path, tuple(servers), movable.get(path, False)) for path, servers in found.items()]


_Files = Mapping[str, list[Directive]]


def _files(dump: str) -> _Files:
    parts = HEADING.split(dump)
    return {path: parse(text) for path, text in zip(parts[1::2], parts[2::2], strict=True)}


def _absolute(files: _Files, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(next(iter(files))), path))


def _included(files: _Files, directive: Directive) -> list[str]:
    """nginx's patterns do not cross slashes."""
    pattern = _absolute(files, directive.words[-1])
    return [path for path in files if path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)]


def _walk(directives: Sequence[Directive]) -> Iterator[tuple[str, ...]]:
    """Every directive with a value, however deep."""
    pending = list(directives)
    while pending:
        directive = pending.pop()
        pending += directive.inside
        if len(directive.words) > 1:
            yield directive.words


def _expanded(files: _Files, directives: Sequence[Directive], depth: int = 0) -> Iterator[tuple[str, ...]]:
    """The same, with those of included files."""
    for words in _walk(directives):
        yield words
        if words[0] == "include" and depth < _DEPTH:
            for path in _included(files, Directive(words, [])):
                yield from _expanded(files, files[path], depth + 1)


def _upstreams(files: _Files) -> dict[str, list[int]]:
    """Local ports of each upstream, by its name."""
    found: dict[str, list[int]] = {}
    for directives in files.values():
        pending = list(directives)
        while pending:
            directive = pending.pop()
            pending += directive.inside
            if directive.words[0] == "upstream" and len(directive.words) > 1:
                servers = [
                    inner.words[1] for inner in directive.inside if inner.words[0] == "server" and inner.words[1:]
                ]
                found[directive.words[1]] = [int(match[1]) for each in servers if (match := _LOCAL.match(each))]
    return found


def _server(files: _Files, block: Directive, named: Mapping[str, Sequence[int]]) -> Server:
    names: list[str] = []
    listens: list[int] = []
    upstreams: list[int] = []
    passwords: list[str] = []
    for words in _expanded(files, block.inside):
        if words[0] == "server_name":
            exact = (word.lower() for word in words[1:] if re.fullmatch(r"[A-Za-z0-9][\w.-]*", word))
            names += [name for name in exact if name != "localhost"]
        elif words[0] == "listen":
            port = re.fullmatch(r"(?:.*:)?([0-9]{1,5})", words[1])
            listens.append(int(port[1]) if port else 80)
        elif words[0] in ("proxy_pass", "set"):  # `set $backend http://…` is a habit too
            upstreams += _local_ports(words[-1], named)
        elif words[0] == "auth_basic_user_file":
            passwords.append(_absolute(files, words[1]))
    return Server(_once(names), _once(listens), _once(upstreams), _once(passwords))


def _once(found: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))


def _local_ports(address: str, named: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """Ports of this host that an address leads to, by itself or by an upstream's name."""
    port, name = _LOCAL.match(address), re.match(r"(?:[a-z]+://)?([^/:]*)", address)
    return [int(port[1])] if port else named.get(name[1] if name else "", ())
