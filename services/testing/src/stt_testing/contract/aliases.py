"""The contract: the same by other ways. HEAD, a slash at the end, and the paths of Azure's client."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from openai import AzureOpenAI

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import DEADLINE, Service


def test_head_is_get_without_a_body(service: Service) -> None:
    """On one connection: a body that came in spite of it would be taken for the next answer."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=DEADLINE)
    paths = [path for path, methods in service.get("/openapi.json").json()["paths"].items() if "get" in methods]
    assert {"/health", "/ready", "/status", "/metrics", "/v1/models"} <= set(paths)
    for path in (*paths, "/docs", "/openapi.json", "/nothing"):
        path = path.replace("{model}", service.model)
        heard = []
        for method in ("GET", "HEAD"):
            connection.request(method, path)
            answer = connection.getresponse()
            heard.append((answer.status, answer.headers["content-type"], answer.read()))
        get, head = heard
        assert head == (*get[:2], b"") and get[2], path
    assert "HEAD" in service.post(None, path="/health").headers["allow"].split(", ")
    connection.close()


@pytest.mark.parametrize("path", ["/v1/models/", "/health/", "/openai/models", "/openai/v1/models/"])
def test_a_path_by_another_name(service: Service, path: str) -> None:
    expected = service.get("/v1/models" if "models" in path else "/health")
    assert expected.status_code == 200
    answer = service.get(path)
    assert (answer.status_code, answer.json()) == (200, expected.json())


def azure(service: Service, root: str = "", **given: Any) -> AzureOpenAI:
    at = {"base_url": service.url + root} if root else {"azure_endpoint": service.url}
    usual = {"api_key": "none", "api_version": "2024-06-01", "max_retries": 0, "timeout": DEADLINE}
    asked: dict[str, Any] = {**usual, **at, **given}
    client: AzureOpenAI = AzureOpenAI(**asked)
    return client


@pytest.mark.parametrize("root", ["", "/v1", "/openai/v1"])
def test_azures_client(service: Service, able: Capabilities, root: str) -> None:
    """It names the model in the path; `root` is what else people give it for an address."""
    client, sound = azure(service, root), ("speech.wav", sounds.clip())
    expected = service.post(sounds.clip()).json()["text"]
    for model in ("whisper-1", service.model):  # that may have a slash in it
        assert client.audio.transcriptions.create(model=model, file=sound).text == expected
    if able.translation:
        assert client.audio.translations.create(model="whisper-1", file=sound).text
    assert service.model in [model.id for model in client.models.list()]


def test_azures_deployment_is_the_model(service: Service) -> None:
    """Whatever the form says, as with Azure; scripts send none in it."""
    client = azure(service, azure_deployment="whisper-1")
    assert client.audio.transcriptions.create(model="any", file=("a.wav", sounds.clip())).text
    path = "/openai/deployments/{}/audio/transcriptions?api-version=2024-06-01"
    assert service.post(sounds.clip(), path=path.format("whisper-1")).json()["text"]
    error = refused(service.post(sounds.clip(), path=path.format("whisper-9"), model="whisper-1"), 404)
    assert error["code"] == "model_not_found" and service.model in error["message"]


def test_azures_realtime(service: Service) -> None:
    client = azure(service, websocket_base_url=service.url.replace("http", "ws", 1) + "/openai")
    with client.realtime.connect(model="whisper-1", extra_query={"intent": "transcription"}) as session:
        assert session.recv().type == "session.created"
