"""Every block of code in README.md and docs/ is held to what it speaks of: inventories to `check`, JSON to the schemas
of the API, commands to the application's own options and to the paths of the API.

A block that nothing can be held to says so on the line before it: `<!-- unchecked: why -->`.
"""

import ast
import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import typer
import yaml

import cli
from deploy import ROOT
from tests.unit import pages, sentences
from tests.unit.conftest import Run
from tests.unit.pages import Block

LANGUAGES = {"yaml", "json", "sh", "console", "python", "js", "text", "mermaid"}
"""What a block may be in. `text` and `mermaid` are for people alone."""
MINIMAL: dict[str, Any] = {
    "hosts": {"vps": {"domain": "court.test"}},
    "services": {"whisper": {"kind": "faster-whisper"}},
}
"""What an inventory has that is shown in part: each of these keys that the block leaves out. example.org, which no host
may have, stands for court.test."""
OF_OTHERS = {"scrape_configs": "Prometheus", "groups": "Prometheus", "speech": "LibreChat"}
"""The first key of a YAML file that another program reads, and which."""
MAKEFILE = (ROOT / "Makefile").read_text()
APIS: dict[str, dict[str, Any]] = {
    path.parent.name: json.loads(path.read_text()) for path in sorted(ROOT.glob("services/*/openapi.json"))
}
"""Kind -> its API."""

ALL = tuple(pages.blocks())


def blocks(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages and not block.unchecked]


def here(found: Sequence[Block]) -> Any:
    return pytest.mark.parametrize("block", found, ids=str)


def test_every_block_says_what_it_is_in() -> None:
    assert [str(block) for block in ALL if block.language not in LANGUAGES] == []
    assert len([block for block in ALL if block.unchecked]) <= 2


@pytest.fixture(scope="module")
def inventories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what inventories refer to, and a hub that cannot be reached."""
    folder = tmp_path_factory.mktemp("inventories")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        for block in blocks("yaml"):
            for name in re.findall(r"\benv:(\w+)", block.text):
                patch.setenv(name, "https://chat.example.org/hook" if name == "WEBHOOK" else "a-secret-of-24-letters-x")
        yield folder


@here([block for block in blocks("yaml") if next(iter(yaml.safe_load(block.text))) not in OF_OTHERS])
def test_inventories_are_what_check_takes(block: Block, inventories: Path, run: Run) -> None:
    document = {**MINIMAL, **yaml.safe_load(block.text.replace("example.org", "court.test"))}
    file = inventories / "inventory.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    said = run("check", "--inventory", file)
    assert (said.status, said.err) == (0, ""), f"{block}\n{block.text}"


@here([block for block in blocks("yaml") if next(iter(yaml.safe_load(block.text))) in OF_OTHERS])
def test_what_others_read_names_what_there_is(block: Block) -> None:
    """Addresses are of the API, measures those that a service gives."""
    for url in re.findall(r"https://whisper\.example\.org(/\S+?)\"", block.text):
        assert operation("faster-whisper", url, "post")
    told = sources()
    for measure in re.findall(r"\bstt_\w+", block.text):
        assert f'"{measure.removesuffix("_bucket").removesuffix("_total")}"' in told, measure


def sources() -> str:
    """What the services are made of. A counter's name gets `_total` by itself."""
    return "".join(path.read_text() for path in ROOT.glob("services/*/src/**/*.py"))


def operation(kind: str, path: str, method: str) -> dict[str, Any] | None:
    """What the API has at a path."""
    for template, methods in APIS[kind]["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] | None = methods.get(method)
            return found
    return None


def closed(schema: Any) -> Any:
    """The same with no place for what it does not name."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema:
            schema["additionalProperties"] = False
    elif isinstance(schema, list):
        schema = [closed(value) for value in schema]
    return schema


def bodies(document: Any) -> set[str]:
    """The schemas of the API, of whatever kind, that a document is right by."""
    found = set()
    for api in APIS.values():
        components = closed(copy.deepcopy(api["components"]))
        for name in components["schemas"]:
            schema = {"$ref": f"#/components/schemas/{name}", "components": components}
            if jsonschema.Draft202012Validator(schema).is_valid(document):
                found.add(name)
    return found


def right(text: str) -> None:
    document = json.loads(text)
    if {"time", "level", "logger", "message"} <= document.keys():  # a line of a service's log
        routes = {path for api in APIS.values() for path in api["paths"]} | {"other", "wyoming"}
        assert document.get("route", "other") in routes
    else:
        assert bodies(document), text


@here(blocks("json"))
def test_json_is_what_the_api_answers(block: Block) -> None:
    right(block.text)


@here([block for block in blocks("console") if any(line.startswith("{") for line in pages.outputs(block))])
def test_json_that_a_command_prints_too(block: Block) -> None:
    for line in pages.outputs(block):
        if line.startswith("{"):
            right(line)


AT_ONCE = ("-h", "--help", "--version", "--install-completion", "--show-completion")
"""Options that act while the words are read, and so are left out."""


def parsed(words: Sequence[str]) -> None:
    """Raises what the command line would: nothing is run."""
    command: Any = typer.main.get_command(cli.app)
    rest = [word for word in words[1:] if word not in AT_ONCE]
    if not rest:
        return
    context = command.make_context(words[0], rest)
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def asked(words: Sequence[str]) -> None:
    """A curl of the docs asks for what the API has, with fields that it knows."""
    (url,) = (urlsplit(word) for word in words if re.match("https?://", word))
    fields = [value.split("=")[0] for option, value in pairwise(words) if option in ("-F", "-d")]
    name, path = (url.hostname or "").partition(".")[0], url.path
    if name == "portal":
        name, _, path = path[1:].partition("/")
    if url.port == 8000:  # the voicemail server's
        name = "parakeet"
    kind = name if name in APIS else "faster-whisper"
    found = operation(kind, f"/{path.lstrip('/')}", "post" if fields else "get")
    assert found, f"{path} is no path of the API"
    if fields:
        schemas = [form["schema"] for form in found["requestBody"]["content"].values()]
        named = APIS[kind]["components"]["schemas"]
        schemas = [named[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in schemas]
        assert set(fields) <= {field for schema in schemas for field in schema["properties"]}


def held(words: Sequence[str]) -> None:
    if words[0] == "greffier":
        parsed(words)
    elif words[0] == "curl":
        asked(words)
    elif words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        assert targets and all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets), words
    elif "/" in words[0]:
        program = words[0] if words[0] != ".venv/bin/greffier" else "cli.py"
        assert (ROOT / program).exists(), words


@here(blocks("sh", "console"))
def test_commands_are_those_that_there_are(block: Block) -> None:
    script = "\n".join(pages.lines(block))
    assert script
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for words in pages.commands(block):
        held(words)


@pytest.mark.parametrize("file", pages.FILES, ids=pages.name)
def test_commands_within_sentences_too(file: Path) -> None:
    """These may leave out what a command needs, and name it in capitals."""
    for token in pages.inline(file, "code_inline"):
        if re.match(r"(greffier|make|scripts/\S+) \S", token.content):
            for words in pages.split(token.content):
                try:
                    held(words)
                except Exception as error:
                    if type(error).__name__ != "MissingParameter":
                        raise AssertionError(f"{pages.name(file)}: {token.content}: {error}") from None


@here(blocks("python"))
def test_python_is_python_and_imports_what_there_is(block: Block) -> None:
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = __import__(node.module or "", fromlist=[alias.name for alias in node.names])
            assert all(hasattr(module, alias.name) for alias in node.names)


@here(blocks("js"))
def test_javascript_is_javascript(block: Block, tmp_path: Path) -> None:
    (tmp_path / "block.mjs").write_text(block.text)
    node = shutil.which("node")
    assert node
    done = subprocess.run([node, "--check", tmp_path / "block.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", pages.FILES, ids=pages.name)
def test_links_lead_somewhere(file: Path) -> None:
    for token in pages.inline(file, "link_open"):
        path, _, anchor = str(token.attrs["href"]).partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        other = (file.parent / path).resolve() if path else file
        assert other.exists() and other.is_relative_to(ROOT), path
        assert not anchor or anchor in pages.anchors(other), f"{path}#{anchor}"


FOR_DEVELOPERS = {"CONTRIBUTING.md", "docs/architecture.md"}


@pytest.mark.parametrize("file", pages.FILES, ids=pages.name)
def test_users_read_of_greffier(file: Path) -> None:
    """And of no file of it that they would have to start."""
    if pages.name(file) not in FOR_DEVELOPERS:
        assert "cli.py" not in file.read_text()


def test_measures_that_are_told_are_given() -> None:
    told = sources()
    named = set(re.findall(r"`(stt_[a-z_]+)[{`]", (ROOT / "docs/monitoring.md").read_text()))
    assert len(named) > 10
    assert {name for name in named if f'"{name.removesuffix("_total")}"' not in told} == set()


SPEECH = "my fellow Americans"
"""In a transcript, which no code has in it."""


def claims(block: Block) -> Iterator[str]:
    """What a block says that commands print, of what the code has in one piece: steps, reasons and sentences, of which
    long ones go on in the next line. Counts are put together from words."""
    lines: list[str] = []
    for line in pages.outputs(block):
        goes_on = lines and len(lines[-1]) >= 75 and lines[-1][-1] != "." and not re.match(r" *\w+: ", line)
        lines[-1:] = [f"{lines[-1]} {line.strip()}"] if goes_on else [*lines[-1:], line]
    for line in map(str.strip, lines):
        step = re.fullmatch(r"✓ (.*) \d+\.\d s", line)
        reason = re.fullmatch(r"[+~>-] \w+ .* \((?:reload: |restart: )?(.*)\)", line)
        sentence = re.fullmatch(r"(?:Error: )?([A-Za-z`].*\.)", line)
        if step:
            yield step[1]
        elif reason:
            yield from reason[1].split("; ")
        elif sentence and SPEECH not in line and not re.match(r"\w+: \d", line):
            yield sentence[1]


@here([block for block in blocks("console") if list(claims(block))])
def test_what_commands_print_is_in_the_code(block: Block) -> None:
    assert [claim for claim in claims(block) if not sentences.said(claim)] == []
