"""What the bench of speakers counts as an error of a word's time."""

import pytest

from bench.diarization.times import Word, errors


def heard(*words: tuple[str, float, float]) -> list[Word]:
    return list(words)


def test_words_are_compared_where_both_have_them() -> None:
    said = heard(("Der", 0.0, 0.2), ("Uhrmacher,", 0.2, 0.8), ("der", 1.0, 1.2), ("geht.", 1.2, 1.6))
    found = errors(said, heard((" der", 0.1, 0.3), (" Urmacher", 0.3, 0.7), (" der", 1.0, 1.1), (" geht", 1.1, 1.7)))
    assert found.said == 4
    assert found.starts == pytest.approx((0.1, 0.0, -0.1))
    assert found.ends == pytest.approx((0.1, -0.1, 0.1))


def test_nothing_heard_is_no_error_of_time() -> None:
    assert errors(heard(("ёлка", 0.0, 1.0)), []).starts == ()
    assert errors(heard(("ёлка", 0.0, 1.0)), heard(("Елка!", 0.5, 1.0))).starts == (0.5,)
