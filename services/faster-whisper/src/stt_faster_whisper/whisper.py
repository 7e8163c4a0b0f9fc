"""What is used of faster-whisper, with types: encode, detect the language, decode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import WhisperModel, get_suppressed_tokens
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE
from stt_core.engine import Samples, Task
from stt_core.errors import StartError
from stt_faster_whisper.alignment import Aligner
from stt_faster_whisper.decoding import Decoding
from stt_faster_whisper.model import BEST_OF, Prompt, context, limit
from stt_faster_whisper.trimming import FRAMES_PER_SECOND, FULL

BEAM_SIZE = 5
HOP = SAMPLE_RATE // FRAMES_PER_SECOND
LANES = 2
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
                num_workers=LANES,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            message = f"{folder} cannot be loaded on {device} as {compute_type}: {error}"
            raise StartError(message) from error
        self.lanes = LANES
        self.multilingual: bool = self._library.model.is_multilingual
        self.languages: tuple[str, ...] = tuple(
            language
            for language in self._library.supported_languages
            # The library names all of Whisper's; Cantonese has a token since large-v3 only.
            if not self.multilingual or self._library.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
        )
        self._tokenizers: dict[tuple[str, Task], Any] = {}
        self._suppressed = list(get_suppressed_tokens(self._tokenizer("en"), [-1]))
        self.timestamp_begin: int = self._tokenizer("en").timestamp_begin

    def encode(self, windows: Sequence[Samples], length: int) -> Any:
        """One encoder pass over windows of at most `length` frames, silence after each."""
        padded = (np.pad(one, (0, max(0, length * HOP - len(one)))) for one in windows)
        features = np.stack([self._library.feature_extractor(one)[:, :length] for one in padded])
        features = np.ascontiguousarray(features, np.float32)
        return self._library.model.encode(ctranslate2.StorageView.from_array(features))

    def rows(self, encoded: Any, rows: Sequence[int]) -> Any:
        """The encodings of some windows of a batch, copied."""
        if list(rows) == list(range(encoded.shape[0])):
            return encoded
        values: NDArray[Any] = np.asarray(
            encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
        )
        return ctranslate2.StorageView.from_array(np.ascontiguousarray(values[list(rows)]))

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
        self, encoded: Any, prompts: Sequence[Prompt], temperature: float, timestamps: bool, room: bool
    ) -> list[Decoding]:
        """One decoding of each window; the prompts' contexts are of one length."""
        end = [] if timestamps else [self._tokenizer("en").no_timestamps]
        begin = [
            [*one.context, *self._tokenizer(one.language, one.task).sot_sequence, *end] for one in prompts
        ]
        most = limit(len(begin[0]), room)
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
        results = self._library.model.generate(
            encoded,
            begin,
            # CTranslate2 takes the lesser of its half and what the prompt leaves of it.
            max_length=max(2 * most, most + len(begin[0])),
            suppress_tokens=self._suppressed,
            return_scores=True,
            return_no_speech_prob=True,
            **sampling,
        )
        return [
            Decoding(
                tokens=tuple(result.sequences_ids[0]),
                text=self.text(result.sequences_ids[0]),
                temperature=temperature,
                # The score is the mean over the tokens; Whisper counts the end token too.
                avg_logprob=result.scores[0]
                * len(result.sequences_ids[0])
                / (len(result.sequences_ids[0]) + 1),
                no_speech_prob=result.no_speech_prob,
                full=encoded.shape[1] * 2 >= FULL,
                cut=len(result.sequences_ids[0]) >= most,
            )
            for result in results
        ]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, timestamps left out."""
        return str(self._tokenizer("en").decode(list(tokens)))

    def aligner(self, language: str, task: Task) -> Aligner:
        return Aligner(self._library, self._tokenizer(language, task))

    def _tokenizer(self, language: str, task: Task = "transcribe") -> Any:
        if (language, task) not in self._tokenizers:
            made = Tokenizer(self._library.hf_tokenizer, self.multilingual, task=task, language=language)
            if task == "translate":
                made.language_code = "en"  # by which it parts words
            self._tokenizers[language, task] = made
        return self._tokenizers[language, task]
