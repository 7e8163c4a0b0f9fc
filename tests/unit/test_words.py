"""How transcripts are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.speech.words import edits, words

WORDS = st.lists(st.sampled_from(["one", "boat", "lay", "1", "quay"]), max_size=12)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "Forty-two boats, on the 1st of March.", "42 boats on the first of march"),
        ("en", "Seven, nine, three, zero, five.", "79305"),
        ("en", "Mister Grey's harbour", "Mr. Gray’s harbor!"),
        ("fr", "Lundi dix-sept janvier", "lundi, 17 janvier"),
        ("fr", "L’été où il partit", "l'été où il partit"),
        ("es", "sábado dieciséis", "Sábado 16."),
        ("ru", "Ещё двадцать", "еще 20"),
    ],
)
def test_the_same_said_in_two_ways(language: str, one: str, other: str) -> None:
    assert words(one, language) == words(other, language)


@pytest.mark.parametrize("language", ["en", "fr", "es", "it", "de", "ru", "pt"])
@given(text=st.text())
def test_words_of_words_are_the_same(language: str, text: str) -> None:
    once = words(text, language)
    assert all(word and not word.isspace() for word in once)
    if language != "en":  # its tens and units join once more
        assert words(" ".join(once), language) == once


@given(WORDS, WORDS, WORDS)
def test_edits_are_a_distance(a: list[str], b: list[str], c: list[str]) -> None:
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, b) == edits(b, a)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))
    assert edits(a, c) <= edits(a, b) + edits(b, c)


def test_what_is_left_out_added_and_replaced_counts() -> None:
    said, heard = (["the", "clerk", "came", "in"], ["the", "clark", "came", "in", "late"])
    assert edits(said, heard) == 2
    assert edits(said, []) == 4
