"""The sentences that the code has, whatever stands in their gaps: what the docs show as printed is held to them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain

from deploy import ROOT

LETTERS = 6
"""Of a text that counts as a sentence: shorter ones fit anything."""


@cache
def patterns() -> tuple[re.Pattern[str], ...]:
    files = chain([ROOT / "cli.py"], ROOT.glob("deploy/**/*.py"), ROOT.glob("autostart/src/**/*.py"))
    return tuple(re.compile(pattern, re.DOTALL) for file in files for pattern in set(_of(ast.parse(file.read_text()))))


def _of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [part.value if isinstance(part, ast.Constant) else None for part in parts]
        if all(isinstance(text, str) or (text is None and len(parts) > 1) for text in texts):
            said = [text for text in texts if isinstance(text, str)]
            if sum(letter.isalpha() for letter in "".join(said)) >= LETTERS:
                whole = "".join("\0" if text is None else text for text in texts).strip()
                yield re.escape(whole).replace("\0", ".+")


def said(text: str) -> bool:
    """Whether the code has a sentence that this may be: as a whole, or between the name of a host and a full stop."""
    bare = re.sub(r"^[\w-]+: ", "", text)
    return any(pattern.fullmatch(words) for words in {text, bare, bare.removesuffix(".")} for pattern in patterns())
