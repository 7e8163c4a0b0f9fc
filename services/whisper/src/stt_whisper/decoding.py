"""Whether a decoding is to be trusted. Pure."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

# OpenAI's reference values, which faster-whisper uses as well.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
COMPRESSION_RATIO = 2.4
LOG_PROBABILITY = -1.0
NO_SPEECH = 0.6

HOPELESS = -2.0
"""Where the best decoding is no more likely than this, Whisper guesses; it did so of music without words."""
ECHO = 4
"""Letters of the shortest phrase that counts as said twice."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """What one decoding of a window gave.

    full: it was encoded as 30 s, not trimmed.
    cut: it has as many tokens as the model writes at once, so more may have been said.
    circles: it was ended because it said the same again and again.
    """

    tokens: tuple[int, ...]
    text: str
    temperature: float
    avg_logprob: float
    no_speech_prob: float
    full: bool = True
    cut: bool = False
    circles: bool = False

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
        repeats = self.circles or self.compression_ratio > COMPRESSION_RATIO
        return repeats or (self.echoes and not self.full)

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
