"""The contract: requests as other people's clients send them."""

from typing import Any

import httpx
import openai
import pytest

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.service import DEADLINE, Service

KEY = {"Authorization": "Bearer none"}


@pytest.mark.parametrize("fields", [{}, {"language": "en"}, {"language": "en-US"}])
def test_open_webui(service: Service, fields: dict[str, str]) -> None:
    """It sends the recording without a type, the name of its model, and a language where one is set."""
    answer = httpx.post(
        f"{service.url}/v1/audio/transcriptions",
        headers=KEY | {"User-Agent": "python-requests/2.32.5", "Accept": "*/*"},
        files={"file": ("0b0f7c3e-6f0a-4a54-8f0c-3f4b6a6d2c11.mp3", sounds.encoded("mp3"))},
        data={"model": "whisper-1", **fields},
        timeout=DEADLINE,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"]


def test_librechat(service: Service) -> None:
    """It sends a stream of unknown length, `model` after the file, and a language of two letters."""
    mark = "axios-1.12.1-boundary-Rk5kV2pQm3xZ0aTbYc"
    fields = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("model", "whisper-1"), ("language", "en"))
    )
    head = (
        f"--{mark}\r\nContent-Disposition: form-data; "
        'name="file"; filename="audio.webm"\r\nContent-Type: audio/webm\r\n\r\n'
    )
    parts = (head.encode(), sounds.encoded("webm"), b"\r\n", fields.encode(), f"--{mark}--\r\n".encode())
    answer = httpx.post(
        f"{service.url}/v1/audio/transcriptions",
        headers=KEY
        | {"Content-Type": f"multipart/form-data; boundary={mark}", "User-Agent": "axios/1.12.1"}
        | {"Accept": "application/json, text/plain, */*"},
        content=iter(parts),
        timeout=DEADLINE,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"].strip()


def test_openais_client_with_every_parameter(service: Service, able: Capabilities) -> None:
    """What it makes of lists and objects is read, or refused where the engine cannot do it, by name."""
    create = service.client().audio.transcriptions.create
    sound = ("speech.wav", sounds.speech())
    steering: dict[str, Any] = {"keywords": ["Americans", "country"]} if able.hotwords else {}
    steering |= {"prompt": "A speech."} if able.prompt else {}
    body = create(
        model="whisper-1",
        file=sound,
        languages=["en"],
        **steering,
        temperature=0.2,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        chunking_strategy={
            "type": "server_vad",
            "threshold": 0.4,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
    )
    assert body.words and body.segments
    with pytest.raises(openai.BadRequestError) as caught:
        create(
            model="whisper-1",
            file=sound,
            response_format="diarized_json",
            known_speaker_names=["agent", "customer"],
            known_speaker_references=["data:audio/wav;base64,QUJD"],
        )
    assert caught.value.param == ("known_speaker_references" if able.speakers else "response_format")
