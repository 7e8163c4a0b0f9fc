"""What is used of starlette and uvicorn without their promise is there, and used in one module alone.

Where one of these fails after an update, stt_core/http/internals.py is what to change.
"""

import ast
import asyncio
import inspect
import tomllib
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path

import pytest
import starlette.formparsers
import uvicorn
from packaging.requirements import Requirement
from starlette.datastructures import Headers, UploadFile
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from stt_core.http.internals import FormParser, MultipartPart, UvicornServer, WebSocketProtocol

SERVICES = Path(__file__).parents[2]
HOME = SERVICES / "core/src/stt_core/http/internals.py"
PARTS = ("starlette.formparsers", "uvicorn.protocols", "uvicorn.server")
"""Modules that their libraries do not document."""


def version(library: str) -> str:
    return f"{library} {metadata.version(library)}"


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_its_version_is_bound_to_what_was_tried(library: str) -> None:
    project = tomllib.loads((SERVICES / "core/pyproject.toml").read_text())["project"]
    (bound,) = [one for one in map(Requirement, project["dependencies"]) if one.name == library]
    installed = metadata.version(library)
    assert installed in bound.specifier
    major, minor = map(int, installed.split(".")[:2])
    assert f"{major}.{minor + 1}" not in bound.specifier, f"{library} may change unseen: bound its minor version"


OTHERS = [SERVICES / f"{kind}/src/stt_{kind}/internals.py" for kind in ("pytorch", "parakeet")]
"""Of other libraries."""


def test_nothing_else_reaches_for_it() -> None:
    """Neither for an undocumented module nor for a name or an attribute with an underscore."""
    found = []
    for path in sorted(SERVICES.glob("*/src/*/**/*.py")):
        if path in (HOME, *OTHERS) or "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ImportFrom(module=str(module), names=names):
                    private = any(name.name.startswith("_") and not name.name.startswith("__") for name in names)
                    wrong = private or module.startswith(PARTS)
                case ast.Attribute(value=ast.Name(id=owner), attr=name):
                    wrong = name.startswith("_") and not name.startswith("__") and owner not in ("self", "cls")
                case _:
                    wrong = False
            if wrong:
                found.append(f"{path.relative_to(SERVICES)}:{node.lineno}")
    assert not found


def test_the_hooks_of_starlettes_parser() -> None:
    told: list[str] = []

    class Telling(FormParser):
        def part_begins(self, part: MultipartPart) -> None:
            told.append("begins " + (part.content_disposition or b"").decode())
            if b"plain" in (part.content_disposition or b""):
                part.content_disposition = (part.content_disposition or b"") + b'; filename=""'

        def part_grows(self, part: MultipartPart, size: int) -> None:
            told.append(f"{part.field_name} {'file' if part.file else 'field'} {len(part.data)}+{size}")

        def form_ends(self) -> None:
            told.append("ends")

    async def body() -> AsyncIterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="word"\r\n\r\nabc\r\n'
        yield b'--x\r\ncontent-disposition: form-data; name="plain"\r\n\r\n1234\r\n--x--\r\n'

    async def parsed() -> object:
        headers = Headers({"content-type": "multipart/form-data; boundary=x"})
        form = await Telling(headers, body()).parse()  # type: ignore[arg-type]
        return form["word"], form["plain"]

    word, plain = asyncio.run(parsed())  # type: ignore[misc]
    wanted = ['begins form-data; name="word"', "word field 0+3"]
    wanted += ['begins form-data; name="plain"', "plain file 0+4", "ends"]
    assert told == wanted, (
        f"{version('starlette')} keeps `_current_part` in another way, or calls MultiPartParser's "
        "on_headers_finished, on_part_data and on_end otherwise"
    )
    assert word == "abc" and isinstance(plain, UploadFile) and plain.file.read() == b"1234"


def test_the_hooks_of_uvicorns_server() -> None:
    told: list[str] = []

    class Telling(UvicornServer):
        def asked_to_stop(self) -> None:
            told.append("asked")
            self.stop_within(1)

        def tick(self) -> None:
            told.append("tick")
            if len(told) == 2:
                self.handle_exit(15, None)

    async def nothing(scope: object, receive: object, send: object) -> None: ...

    server = Telling(uvicorn.Config(nothing, port=0, lifespan="off", log_config=None))
    asyncio.run(asyncio.wait_for(server.serve(), 30))
    assert told[:3] == ["tick", "tick", "asked"] and server.stopping, (
        f"{version('uvicorn')} does not call Server.on_tick any more, or does not end by `should_exit`"
    )
    assert inspect.signature(uvicorn.Server.handle_exit).parameters.keys() == {"self", "sig", "frame"}, (
        f"{version('uvicorn')} handles signals by another method than Server.handle_exit"
    )
    assert "self.handle_exit" in inspect.getsource(uvicorn.Server), version("uvicorn")
    assert "timeout_graceful_shutdown" in inspect.getsource(uvicorn.Server), version("uvicorn")


def test_what_is_used_of_uvicorns_websockets() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol)
    gone = [
        name
        for name in (
            "self.handshake_complete",
            "self.close_sent",
            "def stop_keepalive",
            "self.queue",
            "def shutdown",
        )
        if name not in source
    ]
    assert not gone, f"{version('uvicorn')} has no {', '.join(gone)} in WebSocketsSansIOProtocol any more"
    assert WebSocketProtocol.shutdown is not WebSocketsSansIOProtocol.shutdown


def test_what_is_used_of_starlettes_parts() -> None:
    part = starlette.formparsers.MultipartPart()
    gone = [name for name in ("content_disposition", "field_name", "data", "file") if not hasattr(part, name)]
    assert not gone, f"{version('starlette')} has no {', '.join(gone)} in MultipartPart any more"
