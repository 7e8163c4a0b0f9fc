"""From tokens to words and segments: by value, and what holds whatever the model said."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_parakeet.words import LONGEST, Token, parted, segments, text_of, tokens, words

FRAME = 0.08
PIECES = st.sampled_from([" a", " bon", "jour", ".", " ?", " ¿", "qué", "'", " ", "é", "-", " $", "5", " (", ")", "!"])


@st.composite
def heard(draw: st.DrawFn) -> tuple[list[Token], float]:
    """Tokens in order on the encoder's grid, several in a frame too, and the length of their window."""
    steps = draw(st.lists(st.integers(0, 40), max_size=40))
    texts = draw(st.lists(PIECES, min_size=len(steps), max_size=len(steps)))
    at, found = 0, []
    for step, text in zip(steps, texts, strict=True):
        at += step
        found.append(Token(text, at * FRAME, -0.1))
    return found, (at + draw(st.integers(1, 50))) * FRAME


@given(heard())
def test_words_are_in_order_within_their_window_and_lose_no_letter(spoken: tuple[list[Token], float]) -> None:
    own, length = spoken
    found = words(list(parted(own)), length)
    assert all(0 <= word.start <= word.end <= length + 1e-9 for word in found)
    assert all(before.end <= after.start + 1e-9 for before, after in pairwise(found))
    said = "".join(word.text for word in found)
    assert said.replace(" ", "") == "".join(token.text for token in own).replace(" ", "")
    assert all(word.text.startswith(" ") and word.text.strip() for word in found)
    starts = [token.start for token in own]
    assert all(min(abs(word.start - start) for start in starts) <= LONGEST for word in found)


@given(heard(), st.lists(st.floats(0, 60), max_size=3))
def test_segments_hold_each_word_once_and_none_is_long(spoken: tuple[list[Token], float], joints: list[float]) -> None:
    own, length = spoken
    spoken_words = list(parted(own))
    found = words(spoken_words, length)
    made = segments(found, spoken_words, joints)
    assert [word for segment in made for word in segment.words] == found
    assert "".join(segment.text for segment in made) == "".join(word.text for word in found)
    assert all(segment.end - segment.start <= 15 or len(segment.words) == 1 for segment in made)
    for joint in joints:
        assert not [one for one in made if any(a.start < joint <= b.start for a, b in pairwise(one.words))]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["▁Hola", ",", "▁¿", "qué", "▁tal", "?"], [" Hola,", " ¿qué", " tal?"]),
        (["▁Bon", "jour", "▁?", "▁Oui", "▁!"], [" Bonjour ?", " Oui !"]),
        (["▁$", "5", "▁(", "five", ")"], [" $5", " (five)"]),
        ([" ", "ж", "д", "и", " ", "д", "я", "д", "ю"], [" жди", " дядю"]),
        (["no", "▁space"], [" no", " space"]),
        (["<unk>", "▁yes", "<|en|>", "<pad>"], [" yes"]),
        (["<unk>", " "], []),
    ],
)
def test_a_space_begins_a_word_and_marks_belong_to_one(pieces: list[str], expected: list[str]) -> None:
    texts = [piece.replace("▁", " ") for piece in pieces]
    own = tokens(texts, [FRAME * number for number in range(len(texts))], None)
    assert [word.text for word in words(list(parted(own)), 10.0)] == expected
    assert text_of(texts).strip() == "".join(expected).strip()


def test_a_word_ends_with_its_last_sound_and_not_with_the_mark_behind_it() -> None:
    own = [Token(" so", 1.0), Token(",", 1.8), Token(" yes", 4.0)]
    first, second = words(list(parted(own)), 4.1)
    assert (first.start, first.end) == (1.0, pytest.approx(1.0 + LONGEST))
    assert (second.start, second.end) == (4.0, 4.1)


def test_words_of_one_frame_share_it() -> None:
    own = [Token(" a", 1.0), Token(" b", 1.0), Token(" c", 1.08)]
    assert [(word.start, word.end) for word in words(list(parted(own)), 3.0)] == [
        (1.0, pytest.approx(1.04)),
        (pytest.approx(1.04), pytest.approx(1.08)),
        (1.08, pytest.approx(1.4)),
    ]


def test_sentences_pauses_and_joints_end_segments() -> None:
    own = [
        Token(" One", 0.0), Token(".", 0.2), Token(" two", 0.4), Token(" three", 3.0), Token(" four", 3.4),
        Token(" five", 5.0),
    ]  # fmt: skip
    spoken = list(parted(own))
    made = segments(words(spoken, 6.0), spoken, [4.5])
    assert [one.text for one in made] == [" One.", " two", " three four", " five"]
