"""Where words are spoken, and how likely each token is: by one pass over a text that is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperForConditionalGeneration
from transformers.models.whisper.tokenization_whisper import _combine_tokens_into_words

from stt_core.engine import Logprob, Word
from stt_core.languages import NAMES
from stt_faster_whisper.alignment import APPENDED, LEAST, PREPENDED, raw
from stt_faster_whisper.model import Windows
from stt_pytorch.attention import POSITION_SECONDS, Attention, Heads, starts, watched


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """The text of one window: the tokens of each slice, without timestamps, one after the other.

    states: of the decoder after each token from the one before the text on; shape (tokens + 1, width).
    """

    slices: tuple[tuple[int, ...], ...]
    states: torch.Tensor

    @property
    def tokens(self) -> list[int]:
        return list(chain(*self.slices))


class Aligner:
    """For windows of one language and task; `durations` are theirs, in seconds.

    begin: the tokens before the text. end: the one after it; those before it in the vocabulary are text.
    """

    def __init__(
        self,
        model: WhisperForConditionalGeneration,
        tokenizer: Any,
        begin: Sequence[int],
        end: int,
        language: str,
        heads: Heads,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._begin = list(begin)
        self._end = end
        self._language = NAMES.get(language, language)
        self._heads = heads

    @torch.inference_mode()
    def words(
        self, encoded: torch.Tensor, windows: Windows, durations: Sequence[float]
    ) -> list[list[tuple[Word, ...]]]:
        """The words of each slice of each window, by cross-attention."""
        with watched(self._model, self._heads) as attention:
            texts = self._read(encoded, windows)
        return [
            self._words(text, self._times(attention, row, text, duration))
            for row, (text, duration) in enumerate(zip(texts, durations, strict=True))
        ]

    @torch.inference_mode()
    def logprobs(
        self, encoded: torch.Tensor, windows: Windows, durations: Sequence[float]
    ) -> list[list[tuple[Logprob, ...]]]:
        """The tokens of the text of each slice of each window, timestamps left out."""
        found: list[list[tuple[Logprob, ...]]] = []
        for text in self._read(encoded, windows):
            likely = iter(self._probabilities(text))
            found.append(
                [tuple(self._logprob(token, next(likely)) for token in tokens) for tokens in text.slices]
            )
        return found

    def _read(self, encoded: torch.Tensor, windows: Windows) -> list[Text]:
        """One pass of the decoder over all texts; shorter ones are filled up behind, where none looks."""
        slices = [
            tuple(tuple(t for t in one.tokens if t < self._end) for one in window) for window in windows
        ]
        rows = [[*self._begin, *chain(*window), self._end] for window in slices]
        longest = max(map(len, rows))
        tokens = torch.tensor([[*row, *[self._end] * (longest - len(row))] for row in rows])
        states = self._model.model.decoder(
            input_ids=tokens.to(encoded.device), encoder_hidden_states=encoded, use_cache=False
        ).last_hidden_state
        first = len(self._begin) - 1  # its state tells the first token of the text
        return [
            Text(window, states[place, first : len(row) - 1])
            for place, (window, row) in enumerate(zip(slices, rows, strict=True))
        ]

    def _probabilities(self, text: Text) -> list[float]:
        """Of each token, among those of text."""
        scores = self._model.proj_out(text.states[:-1])[:, : self._end].float()
        tokens = torch.tensor(text.tokens, device=scores.device)
        found: list[float] = scores.softmax(-1).gather(1, tokens[:, None])[:, 0].tolist()
        return found

    def _times(self, attention: Attention, row: int, text: Text, duration: float) -> NDArray[np.float64]:
        """The second at which each token begins, and that at which the last ends."""
        positions = max(1, round(duration / POSITION_SECONDS))
        before, tokens = len(self._begin), len(text.tokens)
        weights = attention.weights(row, positions)[:, : before + tokens + 1]
        return starts(weights, before - 1)

    def _words(self, text: Text, times: NDArray[np.float64]) -> list[tuple[Word, ...]]:
        likely = self._probabilities(text)
        found: list[tuple[Word, ...]] = []
        place = 0
        for tokens in text.slices:
            words: list[Word] = []
            written, _, parts = _combine_tokens_into_words(
                self._tokenizer, list(tokens), self._language, PREPENDED, APPENDED
            )
            for word, part in zip(written, parts, strict=True):
                first, last = place + part[0], place + part[-1] + 1
                probability = sum(likely[first:last]) / (last - first)
                words.append(Word(word, float(times[first]), float(times[last]), probability))
            found.append(tuple(words))
            place += len(tokens)
        return found

    def _logprob(self, token: int, probability: float) -> Logprob:
        piece = self._tokenizer.convert_ids_to_tokens(token)
        return Logprob(raw(piece), math.log(max(LEAST, probability)))
