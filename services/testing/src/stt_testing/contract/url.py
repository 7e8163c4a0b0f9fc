"""The contract: a URL in place of a file. The service's STT_URL_ALLOW is `localhost`."""

import http.client
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlencode, urlsplit

import httpx

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import DEADLINE, Service, until
from stt_testing.site import page, site

PATH = "/v1/audio/transcriptions"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def posted(service: Service, path: str = PATH, **fields: str) -> httpx.Response:
    return httpx.post(service.url + path, data=fields, timeout=DEADLINE)


def test_a_url_in_place_of_a_file(service: Service, able: Capabilities) -> None:
    with site({"/talk.wav": page(sounds.clip())}) as web:
        url = f"http://localhost:{web.port}/talk.wav?key=1"
        expected = service.post(sounds.clip()).json()
        assert expected["text"]
        assert posted(service, url=url, model="whisper-1").json() == expected
        if able.translation:
            assert posted(service, "/v1/audio/translations", url=url).status_code == 200
        assert {path for path, _ in web.asked} == {"/talk.wav?key=1"}


def test_a_url_that_leads_inside_is_refused(service: Service) -> None:
    with site({"/": page(status=302, location="http://169.254.169.254/latest/meta-data")}) as web:
        error = refused(posted(service, url=f"http://127.0.0.1:{web.port}/"), 400)
        assert error["param"] == "url" and "STT_URL_ALLOW" in error["message"]
        assert web.asked == []
        error = refused(posted(service, url=f"http://user:secret@localhost:{web.port}/?secret"), 400)
        assert "169.254.169.254" in error["message"] and "secret" not in error["message"]


def test_one_of_file_and_url(service: Service) -> None:
    assert refused(service.post(sounds.clip(), url="https://example.org/a.wav"), 400)["param"] == "file"
    assert refused(posted(service, model="whisper-1"), 400)["param"] == "file"
    assert refused(posted(service, url="talk.wav"), 400)["param"] == "url"
    parts = {"url": (None, "talk.wav")}
    assert refused(httpx.post(service.url + PATH, files=parts), 400)["param"] == "url"
    refused(posted(service, url="https://example.org/" + "a" * 70_000), 400)


def test_what_is_behind_a_url_is_checked_like_a_file(service: Service) -> None:
    with site({"/text": page(b"It was a bright cold day in April.\n" * 100)}) as web:
        error = refused(posted(service, url=f"http://localhost:{web.port}/text"), 400)
        assert (error["param"], error["code"]) == ("url", "invalid_audio")


def test_a_client_that_hangs_up_ends_the_fetch(service: Service) -> None:
    left = []

    def silent(request: BaseHTTPRequestHandler) -> None:
        left.append(request.rfile.read(1))

    with site({"/": silent}) as web:
        connection = http.client.HTTPConnection(urlsplit(service.url).netloc)
        connection.request("POST", PATH, urlencode({"url": f"http://localhost:{web.port}/"}), FORM)
        until(lambda: web.asked, "the file is asked for")
        assert service.queued() == 1
        connection.close()
        until(lambda: service.queued() == 0, "the request is given up")
        until(lambda: left == [b""], "the connection to the file is closed")
