"""What is used of faster-whisper, with types: encode, detect the language, decode, align words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import WhisperModel, get_suppressed_tokens
from numpy.typing import NDArray

from stt_core.engine import Samples, Word
from stt_core.errors import StartError
from stt_faster_whisper.decoding import Decoding, Slice

BEAM_SIZE = 5
BEST_OF = 5
CONTEXT = 448
"""Tokens that Whisper's decoder holds, prompt included."""
PROMPT = CONTEXT // 2 - 1
"""Tokens that prompt and hotwords may take of it."""
LANES = 2
"""Forwards at the same time: a clip does not wait for a batch of a long file. They share the weights."""
FRAMES_PER_SECOND = 100
WINDOW_FRAMES = 3000

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to the word after or before them, as faster-whisper has it."""


class Whisper:
    """A loaded model. Encodings are CTranslate2's, of shape (windows, 1500, width)."""

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
        self.languages: tuple[str, ...] = tuple(self._library.supported_languages)
        self._tokenizers: dict[str, Any] = {}
        self._suppressed = list(get_suppressed_tokens(self._tokenizer("en"), [-1]))
        self.timestamp_begin: int = self._tokenizer("en").timestamp_begin

    def encode(self, windows: Sequence[Samples]) -> Any:
        """One encoder pass over windows of at most 30 s."""
        features = np.zeros((len(windows), self._library.model.n_mels, WINDOW_FRAMES), np.float32)
        for row, samples in enumerate(windows):
            mel = self._library.feature_extractor(samples)[:, :-1][:, :WINDOW_FRAMES]
            features[row, :, : mel.shape[1]] = mel
        return self._library.model.encode(ctranslate2.StorageView.from_array(features))

    def rows(self, encoded: Any, rows: Sequence[int]) -> Any:
        """The encodings of some windows of a batch, copied."""
        if list(rows) == list(range(encoded.shape[0])):
            return encoded
        values: NDArray[Any] = np.asarray(
            encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
        )
        return ctranslate2.StorageView.from_array(np.ascontiguousarray(values[list(rows)]))

    def detect(self, encoded: Any) -> list[str]:
        """The most likely language of each window."""
        if not self._library.model.is_multilingual:
            return ["en"] * int(encoded.shape[0])
        return [found[0][0].strip("<|>") for found in self._library.model.detect_language(encoded)]

    def context(self, prompt: str, hotwords: str) -> list[int]:
        """The tokens that stand before the window's own; of a long prompt its end, as OpenAI has it."""
        tokenizer = self._tokenizer("en")
        words: list[int] = tokenizer.encode(" " + hotwords.strip()) if hotwords.strip() else []
        before: list[int] = tokenizer.encode(" " + prompt.strip()) if prompt.strip() else []
        words = words[: PROMPT // 2 if before else PROMPT]
        before = before[len(before) - min(len(before), PROMPT - len(words)) :]
        return [tokenizer.sot_prev, *words, *before] if words or before else []

    def decode(
        self,
        encoded: Any,
        languages: Sequence[str],
        contexts: Sequence[Sequence[int]],
        temperature: float,
        timestamps: bool,
    ) -> list[Decoding]:
        """One decoding of each window; the contexts are of one length."""
        end = [] if timestamps else [self._tokenizer("en").no_timestamps]
        prompts = [
            [*context, *self._tokenizer(language).sot_sequence, *end]
            for context, language in zip(contexts, languages, strict=True)
        ]
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
            prompts,
            max_length=CONTEXT,
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
            )
            for result in results
        ]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, timestamps left out."""
        return str(self._tokenizer("en").decode(list(tokens)))

    def align(
        self, encoded: Any, language: str, windows: Sequence[Sequence[Slice]], durations: Sequence[float]
    ) -> list[list[tuple[Word, ...]]]:
        """The words of each slice of each window, by cross-attention; no window is empty."""
        tokenizer = self._tokenizer(language)
        segments: list[list[dict[str, Any]]] = [
            [{"seek": 0, "start": one.start, "end": one.end, "tokens": list(one.tokens)} for one in window]
            for window in windows
        ]
        frames = [max(1, round(duration * FRAMES_PER_SECOND)) for duration in durations]
        self._library.add_word_timestamps(segments, tokenizer, encoded, frames, PREPENDED, APPENDED, 0.0)
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

    def _tokenizer(self, language: str) -> Any:
        if language not in self._tokenizers:
            multilingual = self._library.model.is_multilingual
            self._tokenizers[language] = Tokenizer(
                self._library.hf_tokenizer, multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]
