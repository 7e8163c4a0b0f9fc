"""A client of Home Assistant's protocol in a warm process: `python -m bench.peers.speech.home PORT`.

It sends a file to wyoming-faster-whisper as Home Assistant does, in chunks. It runs in the peers' environment, and
answers as bench.warm says.
"""

import asyncio
import sys
import wave

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import wav_to_chunks
from wyoming.client import AsyncTcpClient

from bench import warm

CHUNK_SAMPLES = 1024


def main() -> int:
    port = int(sys.argv[1])
    warm.answer(0, lambda audio: asyncio.run(transcribe(port, audio)))
    return 0


async def transcribe(port: int, audio: str) -> str:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe().event())
        with wave.open(audio) as file:
            for chunk in wav_to_chunks(file, CHUNK_SAMPLES, start_event=True, stop_event=True):
                await client.write_event(chunk.event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text.strip()
    raise RuntimeError("wyoming-faster-whisper hung up without an answer")


if __name__ == "__main__":
    sys.exit(main())
