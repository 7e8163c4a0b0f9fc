"""What a Whisper model is to the engine, whichever library it runs in, and what stands before its text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stt_core.engine.protocol import Samples, Task
from stt_whisper.decoding import Decoding

BEST_OF = 5
"""Samples of which the likeliest is taken, at temperatures above 0; OpenAI's reference value."""
CONTEXT = 448
"""Tokens that Whisper's decoder holds, prompt included."""
USUAL = CONTEXT // 2
"""Tokens that one decoding may have, as OpenAI has it: a text that goes in circles ends there. Some languages
need more for 30 s of fast speech; what follows is decoded next."""
FASTEST = 25
"""Tokens a second; Armenian at a usual pace has 21, more than any other language."""
PROMPT = CONTEXT // 2 - 1
"""Tokens that prompt and hotwords may take of it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before a window's text: its language, what is made of it, and the context's tokens."""

    language: str
    task: Task
    context: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Aligned:
    """times: seconds at which each token of a text begins, and at which the last ends.

    likely: the probability of each.
    """

    times: Sequence[float]
    likely: Sequence[float]


class Model(Protocol):
    """A loaded Whisper model. What `encode` gives is its library's own.

    languages: the codes that it knows. multilingual: it can also translate.
    workers: forwards that may run at the same time.
    """

    @property
    def languages(self) -> tuple[str, ...]: ...

    @property
    def multilingual(self) -> bool: ...

    @property
    def workers(self) -> int: ...

    def encode(self, windows: Sequence[Samples], length: int) -> Any:
        """One encoder pass over windows of at most `length` frames, silence after each."""

    def rows(self, encoded: Any, rows: Sequence[int]) -> Any:
        """The encodings of some windows of a batch."""

    def detect(self, encoded: Any) -> list[dict[str, float]]:
        """The probability of each language in each window."""

    def context(self, prompt: str, hotwords: str) -> tuple[int, ...]:
        """The tokens that stand before the window's own."""

    def decode(
        self, encoded: Any, prompts: Sequence[Prompt], temperature: float, max_tokens: int = USUAL
    ) -> list[Decoding]:
        """One decoding of each window, of at most so many tokens, none of time; the prompts' contexts are of
        one length."""

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""

    def align(
        self,
        encoded: Any,
        language: str,
        task: Task,
        texts: Sequence[Sequence[int]],
        durations: Sequence[float],
    ) -> list[Aligned]:
        """Where the tokens of each text are said, by cross-attention; none is empty. durations: seconds."""

    def pieces(self, tokens: Sequence[int], language: str, task: Task) -> list[tuple[str, list[int]]]:
        """The words and marks of a text, with their tokens."""

    def raw(self, token: int) -> bytes:
        """The bytes that a token stands for."""


def limit(prompt: int, max_tokens: int) -> int:
    """Of `max_tokens` tokens those that may follow a prompt of so many."""
    return min(max_tokens, CONTEXT - prompt)


def sayable(seconds: float) -> int:
    """Tokens that nobody exceeds in so short a time."""
    return min(USUAL, math.ceil(FASTEST * (seconds + 1)))


def context(mark: int, prompt: Sequence[int], hotwords: Sequence[int]) -> tuple[int, ...]:
    """What stands before the window's own tokens; of a long prompt its end, as OpenAI has it.

    mark: the token that begins it.
    """
    words = list(hotwords)[: PROMPT // 2 if prompt else PROMPT]
    before = list(prompt)[len(prompt) - min(len(prompt), PROMPT - len(words)) :]
    return (mark, *words, *before) if words or before else ()
