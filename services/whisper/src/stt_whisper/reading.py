"""From a decoding and its alignment to segments, and to what must be decoded besides."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stt_core.engine.protocol import Logprob, Segment, Window, Word
from stt_whisper.decoding import Decoding
from stt_whisper.model import Aligned, Model
from stt_whisper.word_times import LOST, Said, certain, lost, placed, sentences, words

MIN_PROBABILITY = 1e-10
"""A token's probability is told from here on; a float32 may round what is less to zero."""
FORWARD = 1.0
"""Seconds that a decoding which was cut must have read, and left, for the rest to be decoded too."""
MARGIN = 0.2
"""Seconds around speech that no word covers that are decoded with it, so far as they are no word's."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a window in seconds. lone: speech that no word covered; what is lost of it stays lost."""

    start: float
    end: float
    lone: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Reading:
    """What was said in a part, in times of the window, and the parts of it that are to be decoded next."""

    segments: tuple[Segment, ...] = ()
    rest: tuple[Part, ...] = ()


def read(model: Model, window: Window, part: Part, language: str, heard: Decoding, aligned: Aligned) -> Reading:
    """What a decoding of a part says, and when; `aligned` are its tokens."""
    task = window.options.task
    pieces = model.pieces(heard.tokens, language, task)
    times = [part.start + time for time in aligned.times]
    speech = [(max(start, part.start), min(end, part.end)) for start, end in window.speech]
    speech = [(start, end) for start, end in speech if end > start]
    said = placed(words(pieces, times, aligned.likely), speech)
    rest: list[Part] = []
    end = part.end
    # What goes in circles or is a guess says no more of itself; the speech that it leaves is decoded alone.
    if heard.cut and not heard.failed and (count := certain(said)):
        begin = said[count - 1].end  # the next may be half a word, whose time is all that was left
        if min(begin - part.start, part.end - begin) >= FORWARD:
            said, end = said[:count], begin
            rest.append(Part(begin, part.end))
    if task == "transcribe" and not part.lone:  # a translation has not the order of what was said
        rest += [
            _lone(said, start, min(stop, end)) for start, stop in lost(said, speech) if min(stop, end) - start >= LOST
        ]
    return Reading(tuple(_segment(model, window, heard, own) for own in sentences(said)), tuple(rest))


def unheard(window: Window, part: Part) -> Reading:
    """What is to be done where a decoding says nothing: its speech is decoded once more, in full."""
    if part.lone:
        return Reading()
    speech = [(max(start, part.start), min(end, part.end)) for start, end in window.speech]
    return Reading(rest=tuple(Part(start, end, lone=True) for start, end in lost((), speech)))


def _lone(said: Sequence[Said], start: float, end: float) -> Part:
    """With a margin, so far as it is no word's."""
    before = max((word.end for word in said if word.end <= start), default=0.0)
    after = min((word.start for word in said if word.start >= end), default=end + MARGIN)
    return Part(max(before, start - MARGIN, 0.0), min(after, end + MARGIN), lone=True)


def _segment(model: Model, window: Window, heard: Decoding, said: Sequence[Said]) -> Segment:
    options = window.options
    return Segment(
        start=said[0].start,
        end=said[-1].end,
        text="".join(word.text for word in said),
        tokens=tuple(token for word in said for token in word.tokens),
        temperature=heard.temperature,
        avg_logprob=heard.avg_logprob,
        compression_ratio=heard.compression_ratio,
        no_speech_prob=heard.no_speech_prob,
        words=tuple(Word(word.text, word.start, word.end, word.probability) for word in said)
        if options.word_times
        else (),
        logprobs=tuple(_logprobs(model, said)) if options.logprobs else (),
    )


def _logprobs(model: Model, said: Sequence[Said]) -> Iterator[Logprob]:
    for word in said:
        for token, likely in zip(word.tokens, word.likely, strict=True):
            yield Logprob(model.raw(token), math.log(max(MIN_PROBABILITY, likely)))
