"""A Whisper of openai's on the Hugging Face hub, run by transformers, as the engine asks for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizerFast,
)

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Samples, Task
from stt_core.errors import StartError
from stt_core.languages import NAMES
from stt_pytorch import internals
from stt_pytorch.alignment import aligned
from stt_pytorch.generation import Generated, generate, scored
from stt_pytorch.hardware import Hardware
from stt_whisper.decoding import Decoding
from stt_whisper.model import BEST_OF, USUAL, Aligned, Prompt, context, limit
from stt_whisper.tokens import raw
from stt_whisper.trimming import FRAMES_PER_SECOND, FULL

HOP = SAMPLE_RATE // FRAMES_PER_SECOND
WORKERS = 1
"""PyTorch's threads are one pool, and a GPU one queue: two forwards at a time would share them."""


class Whisper:
    """A loaded model. Encodings are tensors of shape (windows, at most 1500, width)."""

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        """folder: config.json, generation_config.json, preprocessor_config.json, tokenizer.json and
        model.safetensors, as the hub has them. Raises StartError."""
        self._device = torch.device(hardware.device)
        self._dtype: torch.dtype = getattr(torch, hardware.compute_type)
        torch.set_num_threads(hardware.threads)
        try:
            self._model = WhisperForConditionalGeneration.from_pretrained(
                folder,
                local_files_only=True,
                dtype=self._dtype,
                attn_implementation="sdpa",
                use_safetensors=True,
            )
            self._model.to(self._device).eval()
            self._features = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = WhisperTokenizerFast.from_pretrained(folder, local_files_only=True)
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            reason = str(error).splitlines()[0]
            message = f"{folder} cannot be loaded on {hardware.device} as {hardware.compute_type}: {reason}"
            raise StartError(message) from error
        self._settings: Any = self._model.generation_config
        self.workers = WORKERS
        self.multilingual = bool(getattr(self._settings, "is_multilingual", False))
        self._languages: dict[str, int] = (
            {token.strip("<|>"): number for token, number in self._settings.lang_to_id.items()}
            if self.multilingual
            else {}
        )
        self.languages: tuple[str, ...] = tuple(self._languages) or ("en",)
        self._end = int(self._tokenizer.eos_token_id)
        self._begin = int(self._model.config.decoder_start_token_id)
        self._untimed = int(self._settings.no_timestamps_token_id)
        timed = range(self._untimed + 1, self._model.config.vocab_size)
        self._suppressed = torch.tensor([*(self._settings.suppress_tokens or ()), *timed], device=self._device)

    @torch.inference_mode()
    def encode(self, windows: Sequence[Samples], length: int) -> torch.Tensor:
        """One encoder pass over windows of at most `length` frames, silence after each."""
        padded = [np.pad(one, (0, max(0, length * HOP - len(one))))[: length * HOP] for one in windows]
        features = self._features(
            padded, sampling_rate=SAMPLE_RATE, padding="longest", truncation=False, return_tensors="pt"
        ).input_features
        return internals.encoded(self._model, features.to(self._device, self._dtype))

    def rows(self, encoded: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """The encodings of some windows of a batch."""
        return encoded if list(rows) == list(range(len(encoded))) else encoded[list(rows)]

    @torch.inference_mode()
    def detect(self, encoded: torch.Tensor) -> list[dict[str, float]]:
        """The probability of each language in each window."""
        if not self.multilingual:
            return [{"en": 1.0}] * len(encoded)
        begin = torch.full((len(encoded), 1), self._begin, device=self._device)
        scores = scored(self._model, internals.decoded(self._model, begin, encoded)[:, 0])
        probabilities = scores[:, list(self._languages.values())].softmax(-1).tolist()
        return [dict(zip(self._languages, row, strict=True)) for row in probabilities]

    def context(self, prompt: str, hotwords: str) -> tuple[int, ...]:
        """The tokens that stand before the window's own."""
        mark = int(self._tokenizer.convert_tokens_to_ids("<|startofprev|>"))
        return context(mark, self._tokens(prompt), self._tokens(hotwords))

    @torch.inference_mode()
    def decode(
        self, encoded: torch.Tensor, prompts: Sequence[Prompt], temperature: float, max_tokens: int = USUAL
    ) -> list[Decoding]:
        """One decoding of each window, without tokens of time; the prompts' contexts are of one length."""
        begin = [[*one.context, *self.sequence(one.language, one.task), self._untimed] for one in prompts]
        max_tokens = limit(len(begin[0]), max_tokens)
        generated = generate(
            self._model,
            encoded,
            begin,
            self._permitted,
            mark=len(prompts[0].context),
            end=self._end,
            limit=max_tokens,
            temperature=temperature,
            candidates=BEST_OF if temperature > 0 else 1,
        )
        return [self._decoding(one, temperature, encoded.shape[1] * 2 >= FULL, max_tokens) for one in generated]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        written = [token for token in tokens if token < self._end]
        return str(self._tokenizer.decode(written, clean_up_tokenization_spaces=False))

    def align(
        self,
        encoded: torch.Tensor,
        language: str,
        task: Task,
        texts: Sequence[Sequence[int]],
        durations: Sequence[float],
    ) -> list[Aligned]:
        """Where the tokens of each text are said."""
        begin = [*self.sequence(language, task), self._untimed]
        heads = self._settings.alignment_heads
        return aligned(self._model, encoded, begin, self._end, texts, durations, heads)

    def pieces(self, tokens: Sequence[int], language: str, task: Task) -> list[tuple[str, list[int]]]:
        """The words and marks of a text, with their tokens."""
        spoken = "en" if task == "translate" else language
        parts = internals.words(self._tokenizer, tokens, NAMES.get(spoken, spoken))
        return [(self.text(part), part) for part in parts if part]

    def raw(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        return raw(self._tokenizer.convert_ids_to_tokens(token))

    def sequence(self, language: str, task: Task) -> list[int]:
        """The tokens that say what is to be written."""
        if not self.multilingual:
            return [self._begin]
        return [self._begin, self._languages[language], self._settings.task_to_id[task]]

    def _tokens(self, text: str) -> list[int]:
        if not text.strip():
            return []
        return list(self._tokenizer.encode(" " + text.strip(), add_special_tokens=False))

    def _permitted(self, scores: torch.Tensor, first: bool) -> torch.Tensor:
        """Without what is never written, a mark of a time for one, and what no text begins with."""
        scores[:, self._suppressed] = -torch.inf
        if first:
            scores[:, self._settings.begin_suppress_tokens or []] = -torch.inf
        return scores

    def _decoding(self, one: Generated, temperature: float, full: bool, max_tokens: int) -> Decoding:
        silence = self._untimed - 1  # the token of no speech stands before it in every vocabulary
        return Decoding(
            tokens=one.tokens,
            text=self.text(one.tokens),
            temperature=temperature,
            avg_logprob=one.avg_logprob,
            no_speech_prob=float(one.first.softmax(-1)[silence]),
            full=full,
            cut=len(one.tokens) >= max_tokens,
            circles=one.circles,
        )
