"""A client of /v1/realtime: OpenAI's own, with every event checked strictly."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av
import numpy as np
from openai import OpenAI
from openai.resources.realtime.realtime import RealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from stt_testing import sounds
from stt_testing.service import DEADLINE, Service

EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CODECS = {
    "audio/pcm": ("pcm_s16le", 24_000),
    "audio/pcmu": ("pcm_mulaw", 8_000),
    "audio/pcma": ("pcm_alaw", 8_000),
}
"""Format -> codec, sample rate."""
FINAL = ("completed", "failed")


class Talk:
    """One session; `seen` are the events so far, as the wire had them."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []

    def next(self) -> dict[str, Any]:
        data = self.connection._connection.recv(timeout=DEADLINE, decode=False)
        EVENT.validate_json(data, strict=True)
        self.seen.append(json.loads(data))
        return self.seen[-1]

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event from here on for which that holds."""
        while not wanted(event := self.next()):
            pass
        return event

    def final(self) -> dict[str, Any]:
        """The end of the next item's transcription."""
        return self.until(lambda event: event["type"].rsplit(".", 1)[-1] in FINAL)

    def update(self, **given: Any) -> dict[str, Any]:
        """Set fields of audio.input; what the service makes of it."""
        self.send({"type": "session.update", "session": {"type": "transcription", "audio": {"input": given}}})
        return self.until(lambda event: event["type"] in ("session.updated", "error"))

    def send(self, event: dict[str, Any]) -> None:
        """Any event, also one that OpenAI's types do not have."""
        self.connection._connection.send(json.dumps(event))

    def say(self, audio: bytes, piece: int = 4800) -> None:
        for start in range(0, len(audio), piece):
            part = base64.b64encode(audio[start : start + piece]).decode()
            self.connection.input_audio_buffer.append(audio=part)

    def rest(self) -> None:
        """Clear what is left, and read until every item is transcribed."""
        self.send({"type": "input_audio_buffer.clear"})
        self.until(lambda event: event["type"] == "input_audio_buffer.cleared")
        while len(self.events_of(".completed")) + len(self.events_of(".failed")) < len(self.events_of(".committed")):
            self.next()

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.seen if event["type"].endswith(kind)]

    def of(self, item: str) -> list[dict[str, Any]]:
        """The events of an item."""
        return [event for event in self.seen if item in (event.get("item_id"), event.get("item", {}).get("id"))]


@contextmanager
def talk(service: Service, **query: str) -> Iterator[Talk]:
    """A session whose first event has come."""
    client = OpenAI(api_key="none", websocket_base_url=service.url.replace("http", "ws", 1) + "/v1")
    asked: dict[str, object] = {"intent": "transcription", **query}
    with client.realtime.connect(extra_query=asked) as connection:
        conversation = Talk(connection)
        conversation.next()
        yield conversation


def raw(file: bytes, encoding: str = "audio/pcm") -> bytes:
    """A wav file of 16 kHz as a realtime format."""
    codec, rate = CODECS[encoding]
    values = sounds.samples(file)
    frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
    frame.sample_rate = sounds.RATE
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    parts = [out.to_ndarray().reshape(-1) for one in (frame, None) for out in resampler.resample(one)]
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    whole = av.AudioFrame.from_ndarray(np.concatenate(parts).astype(np.int16)[None], format="s16", layout="mono")
    whole.sample_rate = rate
    return b"".join(bytes(packet) for one in (whole, None) for packet in encoder.encode(one))
