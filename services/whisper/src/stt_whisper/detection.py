"""Which language a file is in. Pure."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SURE = 0.5
"""The probability from which a language counts as heard; faster-whisper's own value."""
ENOUGH = 10.0
"""Seconds of speech that tell it; in less even noise can sound like a language for certain."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The most likely language. sure: no need to hear more."""

    language: str
    probability: float
    sure: bool


def verdict(heard: Sequence[tuple[float, Mapping[str, float]]], candidates: Sequence[str]) -> Verdict:
    """From windows of one file, as (seconds, probability of each language); at least one.

    candidates: the languages that may be; empty for any.
    """
    sums: dict[str, float] = {}
    for seconds, probabilities in heard:
        for language, probability in probabilities.items():
            if not candidates or language in candidates:
                sums[language] = sums.get(language, 0.0) + seconds * probability
    language = max(sums, key=lambda one: sums[one])
    probability = sums[language] / max(sum(sums.values()), sys.float_info.min)
    return Verdict(language, probability, probability >= SURE and sum(seconds for seconds, _ in heard) >= ENOUGH)
