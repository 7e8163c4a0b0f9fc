"""Which language a file is in."""

import pytest

from stt_whisper.detection import verdict

UNCLEAR = (2.0, {"en": 0.2, "cy": 0.3, "fr": 0.5})
CLEAR = (20.0, {"en": 0.9, "fr": 0.1})


@pytest.mark.parametrize(
    ("heard", "candidates", "language", "probability", "sure"),
    [
        ([CLEAR], (), "en", 0.9, True),
        ([(2.0, {"en": 0.9, "fr": 0.1})], (), "en", 0.9, False),
        ([(20.0, {"en": 0.4, "cy": 0.3, "fr": 0.3})], (), "en", 0.4, False),
        ([UNCLEAR, CLEAR], (), "en", 18.4 / 22, True),
        ([UNCLEAR], ("en", "cy"), "cy", 0.6, False),
        ([CLEAR], ("fr",), "fr", 1.0, True),
        ([(20.0, {"en": 1.0, "fr": 0.0})], ("fr",), "fr", 0.0, False),
    ],
)
def test_verdict(
    heard: list[tuple[float, dict[str, float]]],
    candidates: tuple[str, ...],
    language: str,
    probability: float,
    sure: bool,
) -> None:
    found = verdict(heard, candidates)
    assert (found.language, found.sure) == (language, sure)
    assert found.probability == pytest.approx(probability)
