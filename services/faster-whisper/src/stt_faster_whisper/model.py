"""What a Whisper model is to the engine, whichever library it runs in, and what stands before its text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stt_core.engine import Logprob, Samples, Task, Word
from stt_faster_whisper.decoding import Decoding, Slice

BEST_OF = 5
"""Samples of which the likeliest is taken, at temperatures above 0; OpenAI's reference value."""
CONTEXT = 448
"""Tokens that Whisper's decoder holds, prompt included."""
USUAL = CONTEXT // 2
"""Tokens that a window's text may have at first, as OpenAI has it: a text that goes in circles ends there.
Some languages need more for 30 s of fast speech."""
PROMPT = CONTEXT // 2 - 1
"""Tokens that prompt and hotwords may take of it."""

Windows = Sequence[Sequence[Slice]]
"""The slices of some windows; no window is empty."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before a window's text: its language, what is made of it, and the context's tokens."""

    language: str
    task: Task
    context: tuple[int, ...]


class Aligner(Protocol):
    """For windows of one language and task; `durations` are theirs, in seconds."""

    def words(
        self, encoded: Any, windows: Windows, durations: Sequence[float]
    ) -> list[list[tuple[Word, ...]]]:
        """The words of each slice of each window, by cross-attention."""

    def logprobs(
        self, encoded: Any, windows: Windows, durations: Sequence[float]
    ) -> list[list[tuple[Logprob, ...]]]:
        """The tokens of the text of each slice of each window, timestamps left out."""


class Model(Protocol):
    """A loaded Whisper model. What `encode` gives is its library's own.

    languages: the codes that it knows. multilingual: it can also translate.
    timestamp_begin: the token of the time 0.
    lanes: forwards that may run at the same time.
    """

    @property
    def languages(self) -> tuple[str, ...]: ...

    @property
    def multilingual(self) -> bool: ...

    @property
    def timestamp_begin(self) -> int: ...

    @property
    def lanes(self) -> int: ...

    def encode(self, windows: Sequence[Samples], length: int) -> Any:
        """One encoder pass over windows of at most `length` frames, silence after each."""

    def rows(self, encoded: Any, rows: Sequence[int]) -> Any:
        """The encodings of some windows of a batch."""

    def detect(self, encoded: Any) -> list[dict[str, float]]:
        """The probability of each language in each window."""

    def context(self, prompt: str, hotwords: str) -> tuple[int, ...]:
        """The tokens that stand before the window's own."""

    def decode(
        self, encoded: Any, prompts: Sequence[Prompt], temperature: float, timestamps: bool, room: bool
    ) -> list[Decoding]:
        """One decoding of each window; the prompts' contexts are of one length. With `room` a text may fill
        all of CONTEXT, else it stops at USUAL tokens."""

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, timestamps left out."""

    def aligner(self, language: str, task: Task) -> Aligner: ...


def limit(prompt: int, room: bool) -> int:
    """Tokens that may follow a prompt of so many."""
    return CONTEXT - prompt if room else min(USUAL, CONTEXT - prompt)


def context(mark: int, prompt: Sequence[int], hotwords: Sequence[int]) -> tuple[int, ...]:
    """What stands before the window's own tokens; of a long prompt its end, as OpenAI has it.

    mark: the token that begins it.
    """
    words = list(hotwords)[: PROMPT // 2 if prompt else PROMPT]
    before = list(prompt)[len(prompt) - min(len(prompt), PROMPT - len(words)) :]
    return (mark, *words, *before) if words or before else ()
