"""`cli.py demo`: the main job, as a newcomer sees it."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect
import pytest

from tests.heard import plain
from tests.integration.kit import PATIENCE, ROOT, SAID, Kit, inventory, processes, until


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """The kit's own example, in a folder of its own; nothing runs yet."""
    kit = Kit(tmp_path_factory.mktemp("demo"), inventory())
    shutil.copy(ROOT / "examples" / "demo.yml", kit.path)
    return kit


def _occupied(port: int) -> socket.socket:
    """Something that holds a port; perhaps another program does already."""
    other = socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with suppress(OSError):
        other.bind(("127.0.0.1", port))
        other.listen()
    return other


def _root(kit: Kit) -> Path:
    return kit.folder / ".greffier"


def test_without_a_terminal_it_ends_by_itself(demo: Kit) -> None:
    with _occupied(8443):
        done = demo.cli("demo", "--inventory", str(demo.path))
    assert "Port 8443 (https) is in use by another program; using" in done.stderr
    assert "whisper is asleep; a request will wake it." in done.stderr
    assert "Job queued. Position in queue: 1." in done.stderr
    assert re.search(r"^Webhook msg_\w+: transcription\.completed, 11 s of speech\.$", done.stderr, re.MULTILINE)
    assert SAID in plain(done.stdout) and "to wake" in done.stdout and "to transcribe" in done.stdout
    port = re.search(r"https://localhost:(\d+)/whisper/docs", done.stdout)
    assert port and port[1] != "8443"
    assert not processes(_root(demo))


WRONG = {
    "a library that takes other arguments": (
        "core/src/stt_core/audio/tracks.py",
        "container = av.open(file,",
        "container = av.open(file, surprise=1,",
        r"whisper failed \(status 500\): TypeError: open\(\) got an unexpected keyword argument 'surprise'\.",
    ),
    "a service that dies at its work": (
        "core/src/stt_core/audio/tracks.py",
        "container = av.open(file,",
        "__import__('os').kill(0, 11); container = av.open(file,",
        r"whisper failed \(status 50[23]\): .*signal 11 \(SIGSEGV\)|whisper could not be started: .*SIGSEGV",
    ),
    "a model that cannot be loaded": (
        "core/src/stt_core/engine/loading.py",
        "self._engine.load(self.model)",
        "raise RuntimeError('no such layer')",
        r"whisper could not be started: The model \S+ cannot be loaded: no such layer",
    ),
    "a service that does not start": (
        "core/src/stt_core/server.py",
        "import logging\n",
        "import logging\nimport no_such_module\n",
        r"whisper could not be started: ModuleNotFoundError: No module named 'no_such_module'",
    ),
}


@pytest.fixture
def code(demo: Kit) -> Path:
    """What the demonstration's service is run from."""
    if not list(_root(demo).glob("*/opt/images/faster-whisper-*")):
        demo.cli("deploy", "--inventory", str(demo.path))
    (folder,) = _root(demo).glob("*/opt/images/faster-whisper-*")
    return folder


@pytest.mark.parametrize("case", WRONG)
def test_what_fails_is_told_in_a_sentence(demo: Kit, code: Path, case: str) -> None:
    name, right, wrong, sentence = WRONG[case]
    file = code / name
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    try:
        done = demo.cli("demo", "--inventory", str(demo.path), status=3)
    finally:
        file.write_text(text)
    assert re.search(f"^Error: .*({sentence})", done.stderr, re.MULTILINE), done.stderr
    assert f"The logs are in {next(_root(demo).glob('*/log'))}." in done.stderr
    assert not processes(_root(demo))


@contextmanager
def _on_a_terminal(demo: Kit) -> Iterator[pexpect.spawn]:
    """The demonstration on a wide terminal, until it waits for Ctrl-C."""
    program, *words = demo.command("demo", "--inventory", str(demo.path))
    child = pexpect.spawn(
        program,
        words,
        env={**demo.environment, "TERM": "xterm"},
        dimensions=(100, 400),
        timeout=PATIENCE,
        encoding="utf-8",
    )
    try:
        child.expect("Serving until Ctrl-C")
        yield child
    finally:
        child.close(force=True)


def _as_pasted(command: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    done = subprocess.run(
        ("bash", "-c", command), env=clean, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.stdout + done.stderr


def test_on_a_terminal_it_stays_until_ctrl_c_and_its_ways_in_work(demo: Kit) -> None:
    with _on_a_terminal(demo) as child:
        said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before).replace("\r\n", "\n")
        assert SAID in plain(said)
        assert SAID in plain(_as_pasted(said.split("With curl\n")[1].split("\n\n")[0]))
        assert SAID in plain(_as_pasted(said.split("With the OpenAI client\n")[1].split("\n'\n")[0] + "\n'"))
        page = re.search(r"(https://localhost:\d+/whisper/docs)\n +user +(\S+)\n +password +(\S+)", said)
        assert page
        authority = next(_root(demo).glob("*/etc/tls/ca.pem"))
        assert "swagger-ui" in _as_pasted(f"curl -sS --cacert {authority} -u {page[2]}:{page[3]} {page[1]}")
        child.sendintr()
        child.expect("nothing is left running")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    assert not processes(_root(demo))


def test_a_closed_terminal_ends_it(demo: Kit) -> None:
    with _on_a_terminal(demo) as child:
        child.ptyproc.fileobj.close()  # pexpect's own close would go on to kill it
        until(lambda: not processes(_root(demo)), "nothing of it runs any more")
        child.wait()
