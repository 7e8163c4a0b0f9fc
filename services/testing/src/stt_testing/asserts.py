"""What several cases find out about an answer."""

import json
import re
from pathlib import Path
from typing import Any

import httpx


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of an answer that must be one, in OpenAI's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]
    body = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"].endswith((".", "?"))
    return dict(body["error"])


def plain(text: str) -> str:
    """Its words in lower case, a space between. Whether Whisper writes a comma differs by processor."""
    return " ".join(re.findall(r"[\w']+", text.lower()))


FILE, PROMPT, HOTWORD, KEY = "patient-0417.wav", "Xanthippe", "Zebulon", "sk-quiet"
"""What a request of the tests names, hints at and is authorized by."""
PRIVATE = (FILE, PROMPT, HOTWORD, KEY, "audio.wav", "Americans", "ask not", "your country")
"""What is of the clients alone, what the speech of the tests says too."""


def discreet(log: Path) -> list[dict[str, Any]]:
    """The lines of a service's log, which are JSON and tell nothing private."""
    text = log.read_text()
    found = [word for word in PRIVATE if word in text]
    assert not found, f"{log} tells {found}"
    return [json.loads(line) for line in text.splitlines()]
