"""Reading Whisper's tokens: segments by their timestamps, and whether a decoding is to be trusted. Pure."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

TIMESTAMP_SECONDS = 0.02
"""One step of Whisper's timestamp tokens."""

# OpenAI's reference values, which faster-whisper uses as well.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
COMPRESSION_RATIO = 2.4
LOG_PROBABILITY = -1.0
NO_SPEECH = 0.6

HOPELESS = -2.0
"""Where the best decoding is no more likely than this, Whisper guesses; it did so of music without words."""
ECHO = 4
"""Letters of the shortest phrase that counts as said twice."""

SHORTEST_REST = 1.0
"""Seconds that must be read, and left, for the rest of a window to be decoded once more."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What one decoding of a window gave.

    full: it was encoded as 30 s, not trimmed. cut: it stopped at the most tokens that it might write.
    """

    tokens: tuple[int, ...]
    text: str
    temperature: float
    avg_logprob: float
    no_speech_prob: float
    full: bool = True
    cut: bool = False

    @property
    def compression_ratio(self) -> float:
        """High where the text repeats itself."""
        raw = self.text.strip().encode()
        return len(raw) / len(zlib.compress(raw))

    @property
    def silent(self) -> bool:
        """Whisper heard no speech, and is not sure of its words either."""
        return self.no_speech_prob > NO_SPEECH and self.avg_logprob <= LOG_PROBABILITY

    @property
    def hopeless(self) -> bool:
        """Nothing that anybody said."""
        return self.silent or self.avg_logprob <= HOPELESS

    @property
    def echoes(self) -> bool:
        """The text ends with the same phrase twice, as where the silence after it was too short."""
        letters = [letter for letter in self.text.lower() if letter.isalnum()]
        longest = len(letters) // 2
        return any(letters[-size:] == letters[-2 * size : -size] for size in range(ECHO, longest + 1))

    @property
    def loops(self) -> bool:
        """A text that repeats itself; of a trimmed encoding, even once."""
        return self.compression_ratio > COMPRESSION_RATIO or (self.echoes and not self.full)

    @property
    def short(self) -> bool:
        """It stopped in the middle of what is said; a text that repeats itself says nothing more."""
        return self.cut and not self.loops and not self.hopeless

    @property
    def failed(self) -> bool:
        """To be tried again."""
        return not self.silent and (self.loops or self.avg_logprob < LOG_PROBABILITY)


def temperature(tried: Sequence[Decoding], asked: float | None) -> float | None:
    """That of the next decoding after those that failed; None when there is none left.

    asked: the only one that is wanted. A trimmed encoding is doubted before a temperature is.
    """
    ladder = TEMPERATURES if asked is None else (asked,)
    step = sum(one.full for one in tried)
    return ladder[step] if step < len(ladder) else None


def best(decodings: Sequence[Decoding]) -> Decoding:
    """The one to keep when all failed: the most likely, among those that do not loop if there are any."""
    calm = [one for one in decodings if not one.loops]
    return max(calm or decodings, key=lambda one: one.avg_logprob)


@dataclass(frozen=True, slots=True)
class Slice:
    """The tokens of one segment; times in seconds from where the decoding began."""

    start: float
    end: float
    tokens: tuple[int, ...]


def slices(tokens: Sequence[int], timestamp_begin: int, duration: float) -> tuple[list[Slice], float | None]:
    """The segments, and the second from which Whisper has left audio unread (None: it read all).

    Whisper writes <start> text <end>, and where it goes on <end><start>. When the tokens break off
    after such a pair, what follows the pair was not read: the text after it, if any, is not to be trusted,
    unless less than SHORTEST_REST is left.
    """
    marks = [index for index, token in enumerate(tokens) if token >= timestamp_begin]
    seams = [index for index in marks if index > 0 and tokens[index - 1] >= timestamp_begin]

    def time(index: int) -> float:
        return min((tokens[index] - timestamp_begin) * TIMESTAMP_SECONDS, duration)

    found: list[Slice] = []
    first = 0
    for seam in seams:
        part = tuple(tokens[first:seam])
        start = time(first) if tokens[first] >= timestamp_begin else 0.0
        found.append(Slice(start, max(start, time(seam - 1)), part))
        first = seam
    rest = tuple(tokens[first:])
    text = any(token < timestamp_begin for token in rest)
    start = time(first) if rest and rest[0] >= timestamp_begin else 0.0
    closed = len(rest) > 1 and rest[-1] >= timestamp_begin
    if found and not closed and start >= SHORTEST_REST and duration - start >= SHORTEST_REST:
        return found, start
    if text:
        end = time(len(tokens) - 1) if closed else duration
        found.append(Slice(start, max(start, end), rest))
    return found, None
