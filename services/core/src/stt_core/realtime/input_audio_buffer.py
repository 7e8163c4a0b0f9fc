"""What hears: from the bytes of the wire to samples and the probability of speech in them."""

import base64
import binascii
from collections.abc import Iterator

import numpy as np

from stt_core.audio.vad import FRAME, VoiceStream
from stt_core.engine.protocol import Samples
from stt_core.errors import BadRequest
from stt_core.realtime.codecs import RATES, Decoder, Encoding, Pcm16


class InputAudioBuffer:
    """One session's. Its work is done in a thread, one call at a time."""

    def __init__(self, voice: VoiceStream, encoding: Encoding) -> None:
        self._voice = voice
        self._rest: Samples = np.zeros(0, np.float32)  # samples of a frame that is not whole yet
        self.tune(encoding)

    def tune(self, encoding: Encoding) -> None:
        """What comes from now on is encoded so."""
        self._encoding, self._decoder = encoding, Decoder(encoding)

    def read(self, audio: str) -> bytes:
        """Raises BadRequest."""
        try:
            return base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("audio is not base64.", param="audio", code="invalid_value") from None

    def seconds(self, data: bytes) -> float:
        return len(data) / RATES[self._encoding] / (2 if self._encoding == "audio/pcm" else 1)

    def hear(self, data: bytes) -> Iterator[tuple[Pcm16, list[float]]]:
        """Samples, and the probability of speech in each whole frame of FRAME that they complete."""
        for samples in self._decoder.decode(data):
            heard = np.concatenate([self._rest, samples.astype(np.float32) / np.float32(32768)])
            whole = len(heard) // FRAME * FRAME
            self._rest = heard[whole:].copy()
            yield samples, self._voice.probabilities(heard[:whole])
