"""Where words are spoken, and how likely each token is: by CTranslate2's align, with types."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

from stt_core.engine import Logprob, Word
from stt_faster_whisper.model import Windows
from stt_faster_whisper.trimming import FRAMES_PER_SECOND

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to the word after or before them, as faster-whisper has it."""

LEAST = 1e-10
"""A token's probability is told from here on; a float32 may round what is less to zero."""

_PLAIN = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHER = [byte for byte in range(256) if byte not in _PLAIN]
BYTES = {chr(byte): byte for byte in _PLAIN} | {chr(256 + place): byte for place, byte in enumerate(_OTHER)}
"""What each letter of a token in the vocabulary stands for (GPT-2's byte-level alphabet)."""


class Aligner:
    """For windows of one language and task; `durations` are theirs, in seconds."""

    def __init__(self, library: Any, tokenizer: Any) -> None:
        self._library = library
        self._tokenizer = tokenizer

    def words(
        self, encoded: Any, windows: Windows, durations: Sequence[float]
    ) -> list[list[tuple[Word, ...]]]:
        """The words of each slice of each window, by cross-attention."""
        segments: list[list[dict[str, Any]]] = [
            [{"seek": 0, "start": one.start, "end": one.end, "tokens": list(one.tokens)} for one in window]
            for window in windows
        ]
        frames = _frames(durations)
        self._library.add_word_timestamps(
            segments, self._tokenizer, encoded, frames, PREPENDED, APPENDED, 0.0
        )
        return [
            [
                tuple(
                    Word(word["word"], float(word["start"]), float(word["end"]), float(word["probability"]))
                    for word in segment["words"]
                )
                for segment in window
            ]
            for window in segments
        ]

    def logprobs(
        self, encoded: Any, windows: Windows, durations: Sequence[float]
    ) -> list[list[tuple[Logprob, ...]]]:
        """The tokens of the text of each slice of each window, timestamps left out."""
        text = self._tokenizer.eot  # what comes before it
        texts = [[[token for token in one.tokens if token < text] for one in window] for window in windows]
        aligned = self._library.model.align(
            encoded,
            self._tokenizer.sot_sequence,
            [list(chain(*window)) for window in texts],
            _frames(durations),
        )
        found: list[list[tuple[Logprob, ...]]] = []
        for window, result in zip(texts, aligned, strict=True):
            likely = iter(result.text_token_probs)
            found.append([tuple(self._logprob(token, next(likely)) for token in tokens) for tokens in window])
        return found

    def _logprob(self, token: int, probability: float) -> Logprob:
        piece = self._tokenizer.tokenizer.id_to_token(token)
        return Logprob(raw(piece), math.log(max(LEAST, probability)))


def raw(piece: str) -> bytes:
    """The bytes of a token as the vocabulary writes it."""
    return bytes(BYTES[letter] for letter in piece)


def _frames(durations: Sequence[float]) -> list[int]:
    return [max(1, round(duration * FRAMES_PER_SECOND)) for duration in durations]
