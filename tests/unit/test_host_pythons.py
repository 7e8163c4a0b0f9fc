"""A host's own Python runs what the kit sends there: each that is found here, and by its words the oldest of them."""

import ast
import builtins
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy import host as programs
from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.runtime.processes import LocalSupervisor
from deploy.transport import asking
from deploy.transport.connection import Connection
from deploy.transport.targets import Target, Writing
from tests.unit.test_model_fetch import FILES, NAME, Site, fetch, lies, offer_wheels, pinned, request

OLDEST = (3, 9)
MINORS = range(OLDEST[1], 15)
LATER = {"tomllib", "compression", "annotationlib"}
"""Modules of the standard library that the oldest has not."""


def found() -> Iterator[tuple[str, str]]:
    """(version, program) of each Python that a host may have: pyenv's, those on PATH, and this one."""
    folders = [*sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin"), reverse=True)]
    folders += [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if "shims" not in folder]
    for minor in MINORS:
        programs = [folder / f"python3.{minor}" for folder in folders]
        if sys.version_info[1] == minor:
            programs.append(Path(sys.executable))
        for program in programs:
            if program.exists():
                yield f"3.{minor}", str(program)
                break


@dataclass(frozen=True)
class By:
    """An agent that another Python runs."""

    python: str

    def start(self) -> Connection:
        return Connection((self.python, "-I", *programs.COMMAND[1:]), "old")

    def greet(self, begun: Connection) -> Connection:
        return begun


@pytest.fixture(params=[pytest.param(program, id=version) for version, program in found()])
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(python: str, one: HostStack) -> Iterator[Target]:
    target = Target("old", one.layout, By(python), lambda _: LocalSupervisor(one.layout, {}))
    yield target
    target.close()


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


def test_everything_that_is_asked_of_an_agent(old: Target, python: str, tmp_path: Path) -> None:
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert old.facts["python"] == version.rstrip("+") and old.facts["memory"] > 0
    file, folder = tmp_path / "etc" / "settings", tmp_path / "var"
    rights = (0o640, old.layout.root, old.layout.root_group)
    old.write_all([Writing(str(file), "Grüße\n".encode(), *rights)])
    state = old.states([str(file)], [str(file)], "salt")[str(file)]
    assert (state.text, state.mode, state.owner) == ("Grüße\n", 0o640, old.layout.root) and state.salted
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_bytes(b"x")
    told = {"sha256": "", "size": 1, "mtime_ns": (model / "weights").stat().st_mtime_ns}
    (model / ".greffier.json").write_text(json.dumps({"files": {"weights": told}}))
    assert old.answer(asking.models([str(model), str(tmp_path)])) == {str(model): {"weights": ""}}
    old.folders([str(folder)])
    assert old.existing([str(folder), str(tmp_path / "none")]) == {str(folder)}
    assert old.read(str(file)) == "Grüße\n".encode() and old.read(str(folder / "none")) is None
    with pytest.raises(KitError, match="could not be written"):
        old.write(str(file / "below"), b"", *rights)
    assert old.run(("sh", "-c", "cat; echo $0", "it's $HOME"), content="in\n") == "in\nit's $HOME\n"
    with pytest.raises(KitError, match="not installed on the host"):
        old.run(("no-such-program",))
    parts = iter([b"one ", b"two"])
    assert [line for line in old.connection.stream(("cat",), parts)][:1] == [(1, b"one two")]
    with old.lock("deploy"):
        assert "`deploy`" in old.holder()
        old.afterwards("never", ("touch", str(folder / "never")))
        old.afterwards("never", ())
    assert old.holder() == ""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert old.fetch(server.server_port, "whisper.test", "/", 10) == (200, "hello")
        thread.join()
    old.remove(str(file), below=str(tmp_path))
    assert not file.parent.exists() and folder.exists()


def test_every_look_at_a_host(old: Target, tmp_path: Path) -> None:
    def told(program: str, asked: object) -> dict[str, object]:
        (line,) = old.program(program, json.dumps(asked))
        return dict(json.loads(line))

    look = told("look", {"free": [str(tmp_path / "not" / "yet")], "docker": True, "nginx": True})
    assert look.keys() == {"memory", "free", "docker", "nginx"}
    asked = {"files": ["/proc/version"], "commands": {"said": ["echo", "hello"]}, "socket": str(tmp_path / "none")}
    overview = told("overview", asked)
    assert overview["commands"] == {"said": "hello\n"} and overview["services"] == []
    assert told("neighbours", {}).keys() >= {"sockets", "containers", "nginx", "units"}


def test_models_come_from_a_hub_and_from_packages(python: str, tmp_path: Path) -> None:
    hub = Site()
    hub.pages = {f"/{NAME}/resolve/main/{path}": content for path, content in FILES.items()}
    try:
        status, events = fetch(request(tmp_path / "models", hub.url, pinned()), tmp_path, python=python)
    finally:
        hub.close()
    assert status == 0 and events[-1]["fetched"] is True and lies(tmp_path / "models") == FILES
    packages = offer_wheels(tmp_path / "wheels")
    with socket.create_server(("127.0.0.1", 0)) as hole:  # connections are made, and nothing is ever answered
        address = f"http://127.0.0.1:{hole.getsockname()[1]}"
        wanted = request(tmp_path / "others", address, pinned(packages=packages), timeout=0.5)
        links = {"PIP_FIND_LINKS": str(tmp_path / "wheels")}
        status, events = fetch(wanted, tmp_path, python=python, **links)
    assert status == 0, events
    assert f"{address} did not answer within 0.5 s" in [each.get("message") for each in events]
    assert lies(tmp_path / "others") == FILES


def test_a_python_that_is_too_old_is_told_of(tmp_path: Path) -> None:
    main = programs.MAIN.format(program="agent").replace("sys.version_info", "(3, 8)")
    done = subprocess.run([sys.executable, "-c", main], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("this host needs Python 3.9 or newer as python3, and has 3.")


SOURCES = sorted(Path(programs.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_oldest_python_knows_its_words_and_has_what_it_imports(source: Path) -> None:
    """Also where no such Python is at hand."""
    tree = ast.parse(source.read_text(), feature_version=OLDEST)
    deferred = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    imported, noted = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module or "")
        notes = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        noted |= {below for note in notes if note and deferred for below in ast.walk(note)}
    known = sys.stdlib_module_names - LATER
    assert not {name for name in imported if not (name.partition(".")[0] in known or name.startswith("deploy.host"))}
    types = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and node not in noted and is_type(node)
    ]
    assert not types, "evaluated where it stands, which Python 3.9 does not know"


def is_type(node: ast.expr) -> bool:
    """Whether `|` joins types, not numbers, sets or dictionaries."""
    if isinstance(node, ast.BinOp):
        return is_type(node.left) or is_type(node.right)
    if isinstance(node, ast.Constant):
        return node.value is None
    if not isinstance(node, ast.Name):
        return False
    name = node.id  # a class: a built-in one, or one that is named as classes are
    return hasattr(builtins, name) or name not in (name.upper(), name.lower())
