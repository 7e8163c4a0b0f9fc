"""Words in the sound by WhisperX's alignment: a wav2vec2 model of the language, from a local folder."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Segment, Word
from stt_speakers import audio_library
from stt_speakers.alignment.attention import unbiased
from stt_speakers.alignment.placing import Interval, Stretch, filled, placed, stretches, words_of
from stt_speakers.alignment.protocol import AlignmentUnavailable
from stt_speakers.sound import Sound

LIMIT = 15.0
"""Seconds that are aligned at once, so far as the text lets itself be cut."""
LONGEST = 30.0
"""Seconds beyond which a stretch is left as it was; memory grows with it."""
PAUSE = 1.0
"""Seconds without a word in which nothing is looked for."""
MARGIN = 0.4
"""Seconds searched around a stretch: cross-attention may be so far off."""


class Wav2Vec2:
    """One model in memory, for one language."""

    name = "wav2vec2"

    def __init__(self, language: str, folder: Path, device: str) -> None:
        """folder: what transformers reads a Wav2Vec2ForCTC and its processor from.

        Raises AlignmentUnavailable where there is none in it.
        """
        audio_library.prepare()
        from whisperx import alignment

        self._library: Any = alignment
        self._library.logger.disabled = True  # it would tell what was said
        # Sentences end where ours do; the library would ask the network for a model that finds them.
        self._library.nltk_load = lambda _name: _Whole()
        self._device = device
        try:
            self._model, self._metadata = alignment.load_align_model(
                language, device, model_name=str(folder), model_cache_only=True
            )
        except ValueError as error:
            raise AlignmentUnavailable(
                f"{folder} holds no wav2vec2 model with a processor, so words in {language!r} go without it."
            ) from error

    def align(
        self, sound: Sound, segments: Sequence[Segment], progress: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        words = words_of(segments)
        rough = [unbiased((word.start, word.end)) for word in words]
        found: list[Interval | None] = [None] * len(words)
        for stretch in stretches(rough, LIMIT, PAUSE, MARGIN, sound.duration):
            if stretch.end - stretch.start <= LONGEST:
                own = words[stretch.first : stretch.last]
                found[stretch.first : stretch.last] = self._aligned(sound, stretch, own)
            progress(stretch.last / len(words))
        return placed(segments, filled(rough, found), sound.duration)

    def _aligned(self, sound: Sound, stretch: Stretch, words: Sequence[Word]) -> list[Interval | None]:
        """The times of each word; None for one of which no letter was found."""
        samples = sound.between(round(stretch.start * SAMPLE_RATE), round(stretch.end * SAMPLE_RATE))
        text = "".join(_letters(word.text) for word in words)
        answer = self._library.align(
            [{"start": 0.0, "end": len(samples) / SAMPLE_RATE, "text": text}],
            self._model,
            self._metadata,
            samples,
            self._device,
            return_char_alignments=True,
        )
        letters = [letter for part in answer["segments"] for letter in part["chars"] or ()]
        if len(letters) != len(text):
            return [None] * len(words)
        edges = [0, *accumulate(len(word.text) for word in words)]
        return [_span(letters[first:last], stretch.start) for first, last in pairwise(edges)]


class _Whole:
    """In place of NLTK's sentence splitter: a text is one sentence."""

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def _letters(text: str) -> str:
    """As many letters as the text has, each of which stays one when the library makes it small."""
    return "".join(letter if len(letter.lower()) == 1 else letter.lower()[0] for letter in text)


def _span(letters: Sequence[dict[str, Any]], start: float) -> Interval | None:
    found = [(one["start"], one["end"]) for one in letters if "start" in one and "end" in one]
    return (start + found[0][0], start + found[-1][1]) if found else None
