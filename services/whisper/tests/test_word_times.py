"""Words from tokens: where they are said, what no word covers, and where segments end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_whisper.word_times import LONG, ONSET, Said, certain, lost, placed, sentences, words

SPEECH = ((0.4, 2.2), (3.4, 4.4), (5.4, 10.5))
"""Of the recording of Kennedy, nearly: "And so my fellow Americans", "ask not", and the rest."""


def said(text: str, start: float, end: float) -> Said:
    return Said(text, (1,), start, end, (0.9,))


def test_marks_are_part_of_a_word_and_take_none_of_its_time() -> None:
    pieces: list[tuple[str, list[int]]] = [
        (' "', [1]),
        ("Hold", [2]),
        (" time", [3, 4]),
        (".", [5]),
        ('"', [6]),
    ]
    one, two = words(pieces, [0.0, 0.5, 1.0, 1.2, 1.4, 4.0, 4.1], [0.9] * 6)
    assert (one.text, one.tokens, one.start, one.end) == (' "Hold', (1, 2), 0.5, 1.0)
    assert (two.text, two.tokens, two.start, two.end) == (' time."', (3, 4, 5, 6), 1.0, 1.4)
    assert words([(" (", [1])], [0.0, 1.0], [0.9])[0].text == " ("


@pytest.mark.parametrize(
    ("word", "start", "end"),
    [
        (said(" ask", 2.08, 3.9), 3.4 - ONSET, 3.9),  # begins where the word before it ends, pause included
        (said(" what", 4.3, 5.5), 5.4 - ONSET, 5.5),  # as much of either stretch, so where it ends
        (said(" Americans", 1.3, 3.5), 1.3, 2.2 + ONSET),  # most of it before the pause
        (said(" um", 2.5, 3.0), 2.5, 3.0),  # nowhere near speech
    ],
)
def test_a_word_is_where_somebody_speaks(word: Said, start: float, end: float) -> None:
    (found,) = placed([word], SPEECH)
    assert (found.start, found.end) == pytest.approx((start, end))


def test_speech_that_no_word_covers_is_lost() -> None:
    whole = [said(" And", 0.4, 2.2), said(" ask", 3.4, 4.4), said(" what", 5.4, 10.5)]
    assert list(lost(whole, SPEECH)) == []
    assert list(lost([whole[0], whole[2]], SPEECH)) == [(3.4, 4.4)]
    assert list(lost(whole[:1], SPEECH)) == [(3.4, 10.5)]
    assert list(lost([], SPEECH)) == [(0.4, 10.5)]
    # What was left out is not the next word's: no word of six letters takes two seconds.
    short = (*SPEECH[:2], (5.4, 6.6))
    grown = placed([whole[0], said(" Folder", 2.2, 5.8), said(" nine", 5.8, 6.6)], short)
    assert list(lost(grown, short)) == [(3.4, 4.4)]


def test_segments_end_with_sentences_and_at_pauses() -> None:
    told = " Mr. Brown said: no. Then he left."
    spoken = [said(f" {word}", at, at + 1.0) for at, word in enumerate(told.split())]
    parts = ["".join(word.text for word in own) for own in sentences(spoken)]
    assert parts == [" Mr. Brown said: no.", " Then he left."]
    parted = [said(" one", 0.0, 1.0), said(" two", 2.5, 3.0)]
    assert [len(own) for own in sentences(parted)] == [1, 1]


times = st.lists(st.floats(0, 30), min_size=2, max_size=30).map(sorted)


@given(times, times)
def test_words_stay_in_order_and_none_is_dropped(borders: list[float], edges: list[float]) -> None:
    spoken = [said(f" {index}", *pair) for index, pair in enumerate(pairwise(borders))]
    speech = [(one, two) for one, two in list(pairwise(edges))[::2] if two > one]
    found = placed(spoken, speech)
    assert [word.text for word in found] == [word.text for word in spoken]
    ordered = [time for word in found for time in (word.start, word.end)]
    assert ordered == sorted(ordered)
    segments = list(sentences(found))
    assert [word for own in segments for word in own] == found
    assert all(len(own) == 1 or own[-1].end - own[0].start <= LONG for own in segments)
    assert 0 <= certain(found) < len(found)
    holes = list(lost(found, speech))
    assert all(start < end for start, end in holes) and holes == sorted(holes)
