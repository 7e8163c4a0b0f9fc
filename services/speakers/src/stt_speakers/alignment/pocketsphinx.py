"""English words in the sound, by pocketsphinx's forced alignment; its package brings the model."""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any

import numpy as np

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Samples, Segment, Word
from stt_speakers.alignment.attention import unbiased
from stt_speakers.alignment.placing import Interval, Stretch, filled, placed, stretches, words_of
from stt_speakers.alignment.pronouncing import sounds
from stt_speakers.alignment.spoken import spoken
from stt_speakers.sound import Sound

LIMIT = 20.0
"""Seconds that are aligned at once, so far as the text lets itself be cut."""
LONGEST = 40.0
"""Seconds beyond which a stretch is left as it was: no such word was ever said."""
PAUSE = 1.0
"""Seconds without a word in which nothing is looked for."""
MARGIN = 0.4
"""Seconds searched around a stretch: cross-attention may be so far off."""
SHORTEST = SAMPLE_RATE // 10
"""Samples in which no word is looked for."""
FRAMES = 100
"""A second, in the decoder's frames."""
NEW_WORDS = 10_000
"""Words that a decoder learns before it is made anew, so that it does not grow for ever."""

EARLY = 0.025
"""Seconds by which the decoder puts the border between two words, and between a pause and a word, too early:
a frame counts from the start of its window of 26 ms, and tells of its middle. Medians, start/end in ms:
against labels by hand 21/15 (12 words, 3 speakers); against the phonemes of synthetic voices, Piper's 33/31
(314), Hibari's 60/65 (331), espeak-ng's 3/0 (296). Where a word ends and a pause begins, it is not early."""

_VARIANT = re.compile(r"\(\d+\)$")


class PocketSphinx:
    """The acoustic model in memory, about 40 MB."""

    name = "pocketsphinx"

    def __init__(self) -> None:
        self._decoder = _decoder()
        self._learnt = 0

    def align(
        self, sound: Sound, segments: Sequence[Segment], progress: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        words = words_of(segments)
        rough = [unbiased((word.start, word.end)) for word in words]
        found: list[Interval | None] = [None] * len(words)
        for stretch in stretches(rough, LIMIT, PAUSE, MARGIN, sound.duration):
            found[stretch.first : stretch.last] = self._found(sound, words, rough, stretch)
            progress(stretch.last / len(words))
        return placed(segments, filled(rough, found), sound.duration)

    def _found(
        self, sound: Sound, words: Sequence[Word], rough: Sequence[Interval], stretch: Stretch
    ) -> list[Interval | None]:
        """The times of a stretch's words; where they do not fit the sound as a whole, in parts of it."""
        own = words[stretch.first : stretch.last]
        times: list[Interval | None] = [None] * len(own)
        spans = _said(own)
        if stretch.end - stretch.start > LONGEST or not spans:
            return times
        found = self._aligned(sound, stretch, [word for _, _, said in spans for word in said])
        if found is None:
            within = rough[stretch.first : stretch.last]
            for part in stretches(within, (stretch.end - stretch.start) / 2, PAUSE, MARGIN, sound.duration):
                if 1 < part.last - part.first < len(own):
                    times[part.first : part.last] = self._found(sound, own, within, part)
            return times
        ends = accumulate(len(said) for _, _, said in spans)
        for (first, last, said), end in zip(spans, ends, strict=True):
            whole = found[end - len(said)][0], found[end - 1][1]
            times[first:last] = _shares(own[first:last], whole)
        return times

    def _aligned(self, sound: Sound, stretch: Stretch, said: Sequence[str]) -> list[Interval] | None:
        """The times of each of these words, or None where they do not fit the sound."""
        first, last = round(stretch.start * SAMPLE_RATE), round(stretch.end * SAMPLE_RATE)
        try:
            found = self._decoded(sound.between(first, last), said)
        except RuntimeError:  # it could not, and is of no more use
            self._decoder, self._learnt = _decoder(), 0
            return None
        if [word for word, _, _ in found] != list(said):
            return None
        at = first / SAMPLE_RATE
        return _intervals([(at + start / FRAMES, at + end / FRAMES) for _, start, end in found])

    def _decoded(self, samples: Samples, said: Sequence[str]) -> list[tuple[str, int, int]]:
        """Each word with its first frame and the one after its last. Raises RuntimeError."""
        if len(samples) < SHORTEST:
            return []
        self._learn(said)
        self._decoder.set_align_text(" ".join(said))
        self._decoder.start_utt()
        pcm = (samples * np.float32(32767)).astype(np.int16).tobytes()
        self._decoder.process_raw(pcm, no_search=False, full_utt=True)
        self._decoder.end_utt()
        return [
            (_VARIANT.sub("", one.word), one.start_frame, one.end_frame + 1)
            for one in self._decoder.seg() or ()
            if one.word[0] not in "<["  # silence, noise
        ]

    def _learn(self, said: Sequence[str]) -> None:
        new = {word for word in said if self._decoder.lookup_word(word) is None}
        if self._learnt + len(new) > NEW_WORDS:
            self._decoder, self._learnt = _decoder(), 0
            new = {word for word in said if self._decoder.lookup_word(word) is None}
        for word in sorted(new):
            self._decoder.add_word(word, sounds(word), False)
        self._learnt += len(new)


def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, lm=None, bestpath=False, loglevel="FATAL")


def _intervals(raw: Sequence[Interval]) -> list[Interval]:
    """What the decoder found, without its bias."""
    follows = [after[0] - before[1] < 1 / FRAMES for before, after in pairwise(raw)]
    return [
        (min(start + EARLY, end), end + EARLY if followed else end)
        for (start, end), followed in zip(raw, [*follows, False], strict=True)
    ]


def _said(words: Sequence[Word]) -> list[tuple[int, int, list[str]]]:
    """Words [first, last) and what is said for them. Parts of a number that Whisper cut go together."""
    number = 0
    together = []
    for word in words:
        number += word.text.startswith(" ")
        together.append(number)
    runs = [[place for place, _ in run] for _, run in groupby(enumerate(together), key=lambda one: one[1])]
    spans = []
    for run in runs:
        text = "".join(words[place].text for place in run)
        parts = [run] if any(letter.isdigit() for letter in text) else [[place] for place in run]
        for part in parts:
            if said := spoken("".join(words[place].text for place in part)):
                spans.append((part[0], part[-1] + 1, said))
    return spans


def _shares(words: Sequence[Word], whole: Interval) -> list[Interval]:
    """The interval cut by the words' numbers of letters."""
    start, end = whole
    ends = list(accumulate(len(word.text) for word in words))
    edges = [start, *(start + (end - start) * part / max(1, ends[-1]) for part in ends)]
    return list(pairwise(edges))
