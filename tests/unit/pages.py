"""What a page of the docs has in it: blocks of code, code within sentences, headings, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy import ROOT

FILES = tuple(sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))))
UNCHECKED = re.compile(r"<!-- unchecked: (\S.{9,}) -->\s*")
"""Stands on the line before a block that nothing can be held to, and says why."""
_OPERATORS = {"|", "||", "&&", ";", "&"}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str
    unchecked: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def tokens(file: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt().enable("table").parse(file.read_text(encoding="utf-8")))


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def blocks() -> Iterator[Block]:
    """Every block of code of every page. Those without a language, and indented ones, have an empty one."""
    for file in FILES:
        before: Token | None = None
        for token in tokens(file):
            if token.type in ("fence", "code_block"):
                marker = UNCHECKED.fullmatch(before.content) if before and before.type == "html_block" else None
                line = (token.map or [0])[0] + 1
                yield Block(name(file), line, token.info, token.content, marker[1] if marker else "")
            before = token


def inline(file: Path, kind: str) -> Iterator[Token]:
    """Tokens within the sentences of a page."""
    for token in tokens(file):
        yield from (child for child in token.children or () if child.type == kind)


def anchors(file: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    found = set()
    content = tokens(file)
    for index, token in enumerate(content):
        if token.type == "heading_open":
            words = "".join(child.content for child in content[index + 1].children or ())
            found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a block: of `sh` every line, of `console` those behind a dollar. Variables and
    redirections are left out."""
    yield from (words for line in lines(block) for words in split(line))


def lines(block: Block) -> Iterator[str]:
    """The commands of a block as the shell reads them, with the lines that go on with them."""
    behind = "$ " if block.language == "console" else ""
    whole = ""
    for line in block.text.splitlines():
        if whole or (line.startswith(behind) and line.strip()):
            whole += line if whole else line.removeprefix(behind)
            if whole.endswith("\\"):
                whole = whole[:-1]
            else:
                yield whole
                whole = ""


def outputs(block: Block) -> Iterator[str]:
    """The lines that commands of a `console` block print."""
    goes_on = False
    for line in block.text.splitlines():
        command = goes_on or line.startswith("$ ")
        goes_on = command and line.endswith("\\")
        if not command:
            yield line


def split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if word in _OPERATORS:
            if words:
                yield words
            words, skip = [], False
        elif word in ("<", ">", ">>"):
            skip = True
        elif skip:
            skip = False
        elif words or not re.match(r"(\w+=|export$)", word):
            words.append(word)
