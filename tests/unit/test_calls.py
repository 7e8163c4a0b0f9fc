"""`transcribe` against servers that answer wrongly, or not at all: a sentence each time, and never a web page in place
of a transcript."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_server, socket

import pytest

from deploy import workspace
from deploy.certificates import issuing
from tests.unit.conftest import Run, Said

INVENTORY = "hosts: {me: {runtime: process}}\nservices: {whisper: {kind: faster-whisper}}\n"
FAR = "hosts: {vps: {domain: vps.test}}\nservices: {whisper: {kind: faster-whisper}}\n"
ERROR = b'{"error": {"message": "The service failed; its log has the reason under req_7.", "code": null}}'
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def answer(status: str, kind: str, body: bytes, length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body


BAD: dict[str, tuple[bytes, str]] = {
    "a service that fails": (answer("500 Oops", "application/json", ERROR), "the reason under req_7. (status 500)"),
    "a page that says so": (answer("502 Bad Gateway", "text/html", PAGE), "was status 502: 502 Bad Gateway."),
    "a page for a transcript": (answer("200 OK", "text/html", PAGE), "with text/html, which is not a transcript"),
    "JSON for text": (answer("200 OK", "application/json", b"{}"), "which is not a transcript"),
    "a redirect": (answer("302 Found", "text/plain", b"", more="Location: /login\r\n"), "was status 302."),
    "a body that is cut off": (answer("200 OK", "text/plain", b"And so", 99), "did not finish its answer: peer closed"),
    "a body of noise": (
        answer("200 OK", "text/plain", b"x" * 99, more="Content-Encoding: gzip\r\n"),
        "did not finish its answer",
    ),
    "no HTTP": (b"220 mail.example.org ESMTP\r\n", "did not finish its answer"),
    "nothing": (b"", "did not finish its answer: Server disconnected"),
    "an error that is none": (answer("503 Busy", "application/json", b'["busy"]'), 'was status 503: ["busy"].'),
    "an error without a word": (answer("504 Gateway Time-out", "text/plain", b""), "was status 504."),
    "bytes that are no text": (answer("500 Oops", "text/plain", b"\xff\xfe\x00"), "was status 500"),
}  # fmt: skip


@dataclass
class Front:
    """What a deploy leaves on this machine for callers to trust and to call; nothing of it runs."""

    run: Run
    folder: Path
    context: ssl.SSLContext
    address: tuple[str, int]

    def said(self, *words: str) -> Said:
        said = self.run("transcribe", "a.wav", *words)
        assert said.out == "", said
        return said

    @contextmanager
    def answering(self, *answers: bytes) -> Iterator[None]:
        """One connection after the other gets these bytes, once it has told everything."""
        with create_server(self.address) as listener:
            thread = threading.Thread(target=self._answer, args=(listener, answers))
            thread.start()
            yield
            thread.join()

    def _answer(self, listener: socket, answers: Sequence[bytes]) -> None:
        for data in answers:
            plain, _ = listener.accept()
            with suppress(OSError), self.context.wrap_socket(plain, server_side=True) as connection:
                drain(connection)
                connection.sendall(data)
                connection.unwrap()


def drain(connection: socket) -> None:
    """Take a request as a server does that answers it: to its end."""
    end = b""
    while not end.endswith(b"--\r\n"):
        part = connection.recv(65536)
        if not part:
            raise ConnectionResetError
        end = (end + part)[-4:]


@pytest.fixture
def front(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    monkeypatch.setenv("GREFFIER_API_KEY", "a2V5")
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "a.wav").write_bytes(b"RIFF" * 50_000)
    space = workspace.opened(Path("inventory.yml"), claim=True)
    host = space.host()
    issuing.install(host, space.target(host), {})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issuing.chain_path(host.layout), issuing.key_path(host.layout))
    yield Front(run, tmp_path, context, ("127.0.0.1", host.layout.https_port))
    space.target(host).close()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_answer(front: Front, case: str) -> None:
    data, sentence = BAD[case]
    with front.answering(data):
        said = front.said("--output", "words.txt")
    assert said.status == 3 and sentence in said.err
    assert not Path("words.txt").exists()


def test_json_that_is_none(front: Front) -> None:
    with front.answering(answer("200 OK", "application/json", b'{"text":')):
        said = front.said("--format", "json")
    assert said.status == 3 and "answered with application/json, which is not a transcript" in said.err


def test_nobody_there(front: Front) -> None:
    said = front.said()
    assert said.status == 3 and "cannot be reached: Connection refused." in said.err
    assert "`greffier status` shows" in said.err


def test_somebody_without_tls(front: Front) -> None:
    with create_server(front.address) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        thread.start()
        said = front.said()
        thread.join()
    assert said.status == 3 and "cannot be reached: " in said.err and "_ssl.c" not in said.err


def test_a_certificate_that_nobody_trusts(front: Front) -> None:
    (front.folder / ".greffier/me/etc/tls").rename(front.folder / "tls")
    space = workspace.opened(Path("inventory.yml"))
    issuing.install(space.host(), space.target(space.host()), {})  # of another authority
    with front.answering(b""):
        said = front.said()
    assert said.status == 3 and "certificate verify failed" in said.err and "`greffier certs status` shows" in said.err


@pytest.mark.parametrize("content", [b"", b"\xff", b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"])
def test_a_damaged_authority(front: Front, content: bytes) -> None:
    (front.folder / ".greffier/me/etc/tls/ca.pem").write_bytes(content)
    said = front.said()
    assert said.status == 3 and "ca.pem or ca.key beside it is damaged." in said.err


def test_no_proxy_leads_to_this_machine(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with front.answering(answer("200 OK", "text/plain; charset=utf-8", "déjà".encode())):
        assert front.run("transcribe", "a.wav").out == "déjà\n"


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        ("http://127.0.0.1:9", "cannot be reached: "),
        ("nonsense://127.0.0.1", "The proxy from the environment cannot be used: "),
        ("socks5://127.0.0.1:9", "The proxy from the environment cannot be used: "),
        ("http://127.0.0.1:port", "The proxy from the environment cannot be used: "),
    ],
)
def test_a_proxy_on_the_way_to_a_host(front: Front, monkeypatch: pytest.MonkeyPatch, proxy: str, sentence: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    Path("inventory.yml").write_text(FAR)
    said = front.said()
    assert said.status == 3 and sentence in said.err


def test_what_no_key_is(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_API_KEY", "clé")
    said = front.said()
    assert said.status == 2 and "The API key contains invalid characters." in said.err and "clé" not in said.err
    monkeypatch.setenv("GREFFIER_API_KEY", "a2V5\n")  # as `$(cat key)` never gives it, and a file does
    with front.answering(answer("200 OK", "text/plain", b"And so")):
        assert front.run("transcribe", "a.wav").out == "And so\n"


def test_what_cannot_be_written_is_shown_at_least(front: Front) -> None:
    for output in ("/dev/full", "no/such/folder/words.txt", "."):
        with front.answering(answer("200 OK", "text/plain", b"And so")):
            said = front.run("transcribe", "a.wav", "--output", output)
        assert said.status == 3 and said.out == "And so\n", output
        assert f"{output} cannot be written: " in said.err and "The transcript is above." in said.err


def test_a_file_that_cannot_be_read(front: Front) -> None:
    said = front.run("transcribe", "none.wav")
    assert said.status == 2 and "none.wav cannot be read: No such file or directory." in said.err
    with front.answering(b""):
        said = front.run("transcribe", "/proc/self/mem")
    assert said.status == 2 and "/proc/self/mem cannot be read: Input/output error." in said.err


def test_a_folder_for_nobody_who_can_be_reached(front: Front) -> None:
    """Only once something has answered, what goes wrong on the way is waited for."""
    said = front.run("transcribe", ".")
    assert said.status == 3 and "cannot be reached: " in said.err and "Traceback" not in said.err
