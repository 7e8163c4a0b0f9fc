"""What is used of faster-whisper, with types: encode, detect the language, decode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import WhisperModel, get_suppressed_tokens
from numpy.typing import NDArray

import ctranslate2
from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Samples, Task
from stt_core.errors import StartError
from stt_ctranslate2.token_times import aligned
from stt_whisper.decoding import Decoding
from stt_whisper.model import BEST_OF, USUAL, Aligned, Prompt, context, limit
from stt_whisper.tokens import raw
from stt_whisper.trimming import FRAMES_PER_SECOND, FULL

BEAM_SIZE = 5
SAMPLED = 4
"""Windows whose candidates are sampled at once. With the base model and a file of 330 s a process took 1.6 to
1.9 GB where they were eight and 1.3 GB where four; 0.8 GB where nothing is sampled."""
HOP = SAMPLE_RATE // FRAMES_PER_SECOND
WORKERS = 2
"""Forwards at the same time: a clip does not wait for a batch of a long file. They share the weights."""


class Whisper:
    """A loaded model. Encodings are CTranslate2's, of shape (windows, at most 1500, width)."""

    def __init__(self, folder: Path, device: str, compute_type: str, threads: int) -> None:
        """Raises StartError."""
        try:
            self._library: Any = WhisperModel(
                str(folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=threads,
                num_workers=WORKERS,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            message = f"{folder} cannot be loaded on {device} as {compute_type}: {error}"
            raise StartError(message) from error
        self.workers = WORKERS
        self.multilingual: bool = self._library.model.is_multilingual
        self.languages: tuple[str, ...] = tuple(
            language
            for language in self._library.supported_languages
            # The library names all of Whisper's; Cantonese has a token since large-v3 only.
            if not self.multilingual or self._library.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
        )
        self._tokenizers: dict[tuple[str, Task], Any] = {}
        self._suppressed = list(get_suppressed_tokens(self._tokenizer("en"), [-1]))

    def encode(self, windows: Sequence[Samples], length: int) -> Any:
        """An encoding of each window, of at most `length` frames, with silence after it.

        On a processor each by itself: eight together take a quarter more of it, and half a gigabyte.
        """
        padded = (np.pad(one, (0, max(0, length * HOP - len(one)))) for one in windows)
        features = [self._library.feature_extractor(one)[None, :, :length] for one in padded]
        model = self._library.model
        if model.device != "cpu" or len(features) == 1:
            return model.encode(_view(np.concatenate(features)))
        encoded = [model.encode(_view(one)).to(ctranslate2.DataType.float32) for one in features]
        return _view(np.concatenate([np.asarray(one) for one in encoded]))

    def rows(self, encoded: Any, rows: Sequence[int]) -> Any:
        """The encodings of some windows of a batch, copied."""
        if list(rows) == list(range(encoded.shape[0])):
            return encoded
        values: NDArray[Any] = np.asarray(encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu))
        return _view(values[list(rows)])

    def detect(self, encoded: Any) -> list[dict[str, float]]:
        """The probability of each language in each window."""
        if not self.multilingual:
            return [{"en": 1.0}] * int(encoded.shape[0])
        found = self._library.model.detect_language(encoded)
        return [{token.strip("<|>"): probability for token, probability in window} for window in found]

    def context(self, prompt: str, hotwords: str) -> tuple[int, ...]:
        """The tokens that stand before the window's own; of a long prompt its end, as OpenAI has it."""
        tokenizer = self._tokenizer("en")
        words: list[int] = tokenizer.encode(" " + hotwords.strip()) if hotwords.strip() else []
        before: list[int] = tokenizer.encode(" " + prompt.strip()) if prompt.strip() else []
        return context(tokenizer.sot_prev, before, words)

    def decode(
        self, encoded: Any, prompts: Sequence[Prompt], temperature: float, max_tokens: int = USUAL
    ) -> list[Decoding]:
        """One decoding of each window, without tokens of time; the prompts' contexts are of one length."""
        begin = [[*one.context, *self._begin(one.language, one.task)] for one in prompts]
        max_tokens = limit(len(begin[0]), max_tokens)
        sampling = (
            {
                "beam_size": 1,
                "num_hypotheses": BEST_OF,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }
            if temperature > 0
            else {"beam_size": BEAM_SIZE}
        )
        step = SAMPLED if temperature > 0 else len(prompts)
        results = [
            result
            for first in range(0, len(prompts), step)
            for result in self._library.model.generate(
                self.rows(encoded, range(first, min(first + step, len(prompts)))),
                begin[first : first + step],
                # CTranslate2 takes the lesser of its half and what the prompt leaves of it.
                max_length=max(2 * max_tokens, max_tokens + len(begin[0])),
                suppress_tokens=self._suppressed,
                return_scores=True,
                return_no_speech_prob=True,
                **sampling,
            )
        ]
        return [
            Decoding(
                tokens=tuple(result.sequences_ids[0]),
                text=self.text(result.sequences_ids[0]),
                temperature=temperature,
                # The score is the mean over the tokens; Whisper counts the end token too.
                avg_logprob=result.scores[0] * len(result.sequences_ids[0]) / (len(result.sequences_ids[0]) + 1),
                no_speech_prob=result.no_speech_prob,
                full=encoded.shape[1] * 2 >= FULL,
                cut=len(result.sequences_ids[0]) >= max_tokens,
            )
            for result in results
        ]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return str(self._tokenizer("en").decode(list(tokens)))

    def align(
        self,
        encoded: Any,
        language: str,
        task: Task,
        texts: Sequence[Sequence[int]],
        durations: Sequence[float],
    ) -> list[Aligned]:
        """Where the tokens of each text are said."""
        sequence = self._tokenizer(language, task).sot_sequence
        return aligned(self._library.model, encoded, sequence, texts, durations)

    def pieces(self, tokens: Sequence[int], language: str, task: Task) -> list[tuple[str, list[int]]]:
        """The words and marks of a text, with their tokens."""
        tokenizer = self._tokenizer(language, task)
        # The end token after it parts even a text that ends amid a letter.
        _, parts = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        texts = [[token for token in part if token < tokenizer.eot] for part in parts]
        return [(self.text(part), part) for part in texts if part]

    def raw(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        return raw(self._tokenizer("en").tokenizer.id_to_token(token))

    def _begin(self, language: str, task: Task) -> list[int]:
        tokenizer = self._tokenizer(language, task)
        return [*tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _tokenizer(self, language: str, task: Task = "transcribe") -> Any:
        if (language, task) not in self._tokenizers:
            made = Tokenizer(self._library.hf_tokenizer, self.multilingual, task=task, language=language)
            if task == "translate":
                made.language_code = "en"  # by which it parts words
            self._tokenizers[language, task] = made
        return self._tokenizers[language, task]


def _view(values: NDArray[Any]) -> Any:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(values, np.float32))
