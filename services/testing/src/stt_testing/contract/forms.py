"""The contract: forms that are made by hand, unusual but right, and forms that are broken."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import DEADLINE, TLS, Service, until

MARK = "----3f9c0b"
END = f"--{MARK}--\r\n".encode()


def part(disposition: str, content: bytes, *more: str) -> bytes:
    """One field of a form; `more` headers of it."""
    lines = [f"--{MARK}", f"Content-Disposition: form-data; {disposition}", *more, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


def sent(service: Service, body: bytes, path: str = "/v1/audio/transcriptions") -> httpx.Response:
    kind = {"content-type": f"multipart/form-data; boundary={MARK}"}
    return httpx.post(service.url + path, content=body, headers=kind, timeout=DEADLINE, verify=TLS)


NAMELESS = {
    "no name at all": 'name="file"',
    "an extended name alone": "name=file; filename*=UTF-8''na%C3%AFve.wav",
    "an empty name": 'name="file"; filename=""',
}


@pytest.mark.parametrize("how", NAMELESS)
def test_the_file_needs_no_name(service: Service, how: str) -> None:
    """However long it is: a field that is no file ends at 64 KiB."""
    expected = service.post(sounds.clip()).json()
    for more in ((), ("Content-Type: audio/wav",), ("Content-Type: text/plain",)):
        answer = sent(service, part(NAMELESS[how], sounds.clip(), *more) + END)
        assert (answer.status_code, answer.json()) == (200, expected)


def test_asr_needs_no_name_either(service: Service) -> None:
    expected = service.post(sounds.clip()).json()["text"]
    answer = sent(service, part('name="audio_file"', sounds.clip()) + END, "/asr")
    assert answer.status_code == 200 and " ".join(answer.text.split()) == " ".join(expected.split())
    assert answer.headers["content-disposition"] == 'attachment; filename="audio_file.txt"'


def test_what_stands_before_and_after_the_parts_is_passed_over(service: Service) -> None:
    form = part('name="file"; filename="a.wav"', sounds.clip()) + part('name="language"', b"en") + END
    expected = service.post(sounds.clip(), language="en").json()
    for before in (b"\r\n", b"This is a form of several parts -- some readers know none.\r\n", b"--\r\n\r\n"):
        answer = sent(service, before + form + b"and after\r\n")
        assert (answer.status_code, answer.json()) == (200, expected)


def test_a_form_without_its_end_is_not_guessed_at(service: Service) -> None:
    """What was cut off may have been a field, or some of the file: it is not said that there was none."""
    file = part('name="file"; filename="a.wav"', sounds.clip())
    model = part('name="model"', b"whisper-1")
    for body in (file[: len(file) // 2], file, file + model, model + file[:-2], model[:30], b"", END[:-4]):
        message = refused(sent(service, body), 400)["message"]
        assert "closing boundary" in message or "boundary that" in message, message
    for body in (b"RIFF" + bytes(100_000), b"--another\r\n\r\n" + file.replace(MARK.encode(), b"another")):
        assert "boundary" in refused(sent(service, body), 400)["message"]
    assert refused(sent(service, END), 400)["param"] == "file"


def test_a_field_in_which_nobody_chose_a_file_is_left_out(service: Service) -> None:
    empty = part('name="file"; filename=""', b"", "Content-Type: application/octet-stream")
    assert "neither is there" in refused(sent(service, empty + END), 400)["message"]
    with_url = sent(service, empty + part('name="url"', b"http://localhost:1/a.wav") + END)
    assert (with_url.status_code, with_url.json()["error"]["param"]) == (400, "url")


def test_an_upload_that_ends_before_its_length_leaves_nothing_behind(service: Service) -> None:
    at = urlsplit(service.url)
    body = part('name="file"; filename="a.wav"', sounds.clip())
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {at.netloc}\r\n"
        f"Content-Length: {len(body) + 100}\r\n"
        f"Content-Type: multipart/form-data; boundary={MARK}\r\n\r\n"
    )
    with socket.create_connection((at.hostname or "", at.port or 0), DEADLINE) as connection:
        connection.sendall(head.encode() + body)
        until(service.queued, "the request is counted")
        connection.shutdown(socket.SHUT_WR)
        until(lambda: service.queued() == 0, "the request is given up")
        assert connection.recv(1) == b""
