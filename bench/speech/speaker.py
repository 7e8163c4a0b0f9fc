"""Somebody who speaks to /v1/realtime, and waits for the text: `python -m bench.speech.speaker URL`.

Speaks every sentence of the bench, and the recording, in real time in one session. Prints the seconds from the last
voiced sample of each to its last text, as JSON. Last voiced is the last loud one: that does not depend on anybody's
detector. It runs in the services' environment.
"""

import asyncio
import base64
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from av import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from bench.speech.maker import PARAGRAPHS, RECORDING, SAMPLE_RATE, VOICES, read, read_aloud

SILENCE_MS = 500
RATE = 24_000
BLOCK = RATE // 50
"""Samples of an append: 20 ms, as a microphone gives them."""
LOUD = 0.03
"""Of the loudest sample: what is below it after the last word is breath and room."""
REST_SECONDS = 2.5
"""Of silence after each sentence."""
PATIENCE = 60.0
"""Seconds that a text may take after that: a busy machine is measured too."""
COMMITTED = "input_audio_buffer.committed"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@dataclass
class Ear:
    """What came since the last sentence began: its parts, how many are answered, and when the last text came."""

    parts: int = 0
    answered: int = 0
    last: float | None = None

    @property
    def settled(self) -> bool:
        return self.last is not None and self.answered >= self.parts


def main() -> int:
    print(json.dumps(asyncio.run(waits(sys.argv[1]))))
    return 0


def sentences() -> Iterator[NDArray[np.int16]]:
    """16 kHz mono, of shape (samples,), each up to its last loud sample."""
    texts = [text for paragraph in PARAGRAPHS for text in re.findall(r"[^.?!]+[.?!]", paragraph)]
    spoken = (read_aloud(text, voice, speed) for text, (voice, speed) in zip(texts, cycle(VOICES), strict=False))
    for samples in (read(RECORDING), *spoken):
        size = np.abs(samples.astype(np.int32))
        yield samples[: int(np.flatnonzero(size > LOUD * size.max())[-1]) + 1]


async def waits(url: str) -> list[float]:
    """Raises RuntimeError where no text came for a sentence, or an error did."""
    client = AsyncOpenAI(api_key="none", websocket_base_url=url.replace("http", "ws", 1) + "/v1")
    taken = []
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as session:
        turns = {"type": "server_vad", "silence_duration_ms": SILENCE_MS}
        audio = {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": turns}}
        await session.session.update(session={"type": "transcription", "audio": audio})
        ear = Ear()
        listening = asyncio.create_task(_listen(session, ear))
        for number, samples in enumerate(sentences()):
            ear.parts, ear.answered, ear.last = 0, 0, None
            spoken = await _say(session, _wire(samples))
            await _say(session, bytes(round(2 * REST_SECONDS * RATE)))
            end = time.monotonic() + PATIENCE
            while not ear.settled and not listening.done() and time.monotonic() < end:
                await asyncio.sleep(0.01)
            if listening.done():
                listening.result()
            if ear.last is None:
                raise RuntimeError(f"sentence {number}: no text came")
            taken.append(ear.last - spoken)
        listening.cancel()
    return taken


async def _listen(session: AsyncRealtimeConnection, ear: Ear) -> None:
    async for event in session:
        if event.type == COMMITTED:
            ear.parts += 1
        elif event.type == COMPLETED:
            ear.answered += 1
            if event.transcript:
                ear.last = time.monotonic()
        elif event.type == "error":
            raise RuntimeError(event.error.message)


async def _say(session: AsyncRealtimeConnection, speech: bytes) -> float:
    """Append it as time goes by, each block once it is spoken; when the last was sent."""
    began = time.monotonic()
    for number, start in enumerate(range(0, len(speech), 2 * BLOCK), 1):
        await asyncio.sleep(max(0.0, began + number * BLOCK / RATE - time.monotonic()))
        block = base64.b64encode(speech[start : start + 2 * BLOCK]).decode()
        await session.input_audio_buffer.append(audio=block)
    return time.monotonic()


def _wire(samples: NDArray[np.int16]) -> bytes:
    frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    return b"".join(out.to_ndarray().tobytes() for part in (frame, None) for out in resampler.resample(part))


if __name__ == "__main__":
    sys.exit(main())
