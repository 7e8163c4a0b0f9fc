"""OpenAI's own client as a transcriber."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from bench.warm import Timed

PATIENCE = 1800.0
"""Seconds that an answer may take."""


@dataclass(frozen=True)
class Event:
    """What a stream sent. seconds: since the request began."""

    seconds: float
    kind: str
    text: str


class Client:
    """A server of OpenAI's API."""

    def __init__(self, url: str, model: str) -> None:
        self.url = url
        self.model = model
        self._openai = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)

    def transcribe(self, audio: Path, **options: Any) -> Timed:
        """Raises openai.APIError."""
        began = time.monotonic()
        with audio.open("rb") as file:
            answer = self._openai.audio.transcriptions.create(model=self.model, file=file, **options)
        return Timed(time.monotonic() - began, answer.text)

    def words(self, audio: Path, language: str) -> list[tuple[str, float, float]]:
        """Text, start and end of each word. Raises openai.APIError."""
        with audio.open("rb") as file:
            answer = self._openai.audio.transcriptions.create(
                model=self.model,
                file=file,
                language=language,
                response_format="verbose_json",
                timestamp_granularities=["word"],
            )
        return [(word.word, word.start, word.end) for word in answer.words or ()]

    def events(self, audio: Path) -> Iterator[Event]:
        """A stream, event by event. Raises openai.APIError."""
        began = time.monotonic()
        with audio.open("rb") as file:
            stream = self._openai.audio.transcriptions.create(model=self.model, file=file, stream=True)
        yield Event(time.monotonic() - began, "head", "")
        for event in stream:
            yield Event(time.monotonic() - began, event.type, getattr(event, "delta", "") or getattr(event, "text", ""))

    def close(self) -> None:
        self._openai.close()
