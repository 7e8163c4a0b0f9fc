"""Words and their speakers: nothing of a text is lost, and people change turns where sentences end."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_core.engine.protocol import Logprob, Segment, Word
from stt_core.output.speaker_labels import label, letter
from stt_speakers.diarization.assign import assigned, exclusive
from stt_speakers.diarization.protocol import Diarization, Turn

NAMES = ("A", "B", "C")


def diarized(*turns: tuple[float, float, int]) -> Diarization:
    found = tuple(Turn(*turn) for turn in turns)
    return Diarization(found, exclusive(found), (None,) * len(NAMES))


def segment(text: str, start: float, pace: float = 0.3) -> Segment:
    """A segment whose words take `pace` seconds each, without gaps."""
    words = tuple(
        Word(f" {word}", start + place * pace, start + (place + 1) * pace, 0.9)
        for place, word in enumerate(text.split())
    )
    return Segment(start, words[-1].end, "".join(word.text for word in words), words=words)


def said(segments: tuple[Segment, ...]) -> list[tuple[str | None, str]]:
    return [(one.speaker, one.text.strip()) for one in segments]


def test_a_segment_is_cut_where_the_speaker_changes() -> None:
    heard = segment("How are you? I am fine, thanks. Good.", 0)
    found = assigned([heard], diarized((0, 0.9, 0), (0.9, 2.1, 1), (2.1, 2.4, 0)), NAMES)
    assert said(found) == [("A", "How are you?"), ("B", "I am fine, thanks."), ("A", "Good.")]
    clocks = [clock for one in found for clock in (one.start, one.end)]
    assert clocks == pytest.approx([0, 0.9, 0.9, 2.1, 2.1, 2.4])


@pytest.mark.parametrize("change", [0.7, 0.85, 1.05, 1.1])
def test_a_late_or_early_diarizer_does_not_cut_a_sentence(change: float) -> None:
    heard = segment("How are you? I am fine, thanks.", 0)
    found = assigned([heard], diarized((0, change, 0), (change, 2.1, 1)), NAMES)
    assert said(found) == [("A", "How are you?"), ("B", "I am fine, thanks.")]


def test_a_stray_word_stays_with_its_sentence_and_an_interjection_does_not() -> None:
    stray = segment("He said that it was over.", 0, pace=0.2)
    assert said(assigned([stray], diarized((0, 0.45, 0), (0.45, 0.55, 1), (0.55, 1.2, 0)), NAMES)) == [
        ("A", "He said that it was over.")
    ]
    heard = segment("It was over. Yes. So we left.", 0, pace=0.2)
    found = assigned([heard], diarized((0, 0.6, 0), (0.6, 0.8, 1), (0.8, 1.4, 0)), NAMES)
    assert said(found) == [("A", "It was over."), ("B", "Yes."), ("A", "So we left.")]


def test_somebody_cut_short_is_cut_short() -> None:
    heard = segment("But I think we should Never in my life.", 0)
    found = assigned([heard], diarized((0, 1.5, 0), (1.5, 2.7, 1)), NAMES)
    assert said(found) == [("A", "But I think we should"), ("B", "Never in my life.")]


def test_words_outside_of_all_turns_go_with_the_nearest() -> None:
    early, late = segment("Well then.", 4), segment("See you.", 9)
    found = assigned([early, late], diarized((0, 3, 0), (10, 12, 1)), NAMES)
    assert said(found) == [("A", "Well then."), ("B", "See you.")]


def test_a_segment_without_words_goes_whole() -> None:
    found = assigned([Segment(0, 3, " Hello there.")], diarized((0, 1, 0), (1, 3, 1)), NAMES)
    assert found == (Segment(0, 3, " Hello there.", speaker="B"),)


def test_without_turns_nobody_is_named() -> None:
    heard = (segment("Is anybody there?", 0),)
    assert assigned(heard, diarized(), NAMES) == heard


def test_who_speaks_first_goes_on_alone() -> None:
    turns = [Turn(0, 5, 0), Turn(4, 8, 1), Turn(6, 7, 0), Turn(9, 10, 0)]
    assert exclusive(turns) == (Turn(0, 5, 0), Turn(5, 8, 1), Turn(9, 10, 0))


def test_names_of_speakers() -> None:
    assert [letter(number) for number in (0, 1, 25, 26, 51, 52, 701, 702)] == [
        *("A", "B", "Z", "AA", "AZ", "BA", "ZZ", "AAA")
    ]
    assert [label(number) for number in (0, 9, 10, 100)] == [*("SPEAKER_00", "SPEAKER_09", "SPEAKER_10", "SPEAKER_100")]


times = st.floats(0, 60, allow_nan=False)
turns = st.builds(lambda start, length, who: Turn(start, start + length, who), times, times, st.integers(0, 2))
texts = st.text(st.sampled_from(" \n ab.?!…'é語🙂"), min_size=1, max_size=12)


@st.composite
def heard(draw: st.DrawFn) -> list[Segment]:
    """Segments in order, with words or without; words may be gapped, of no length, or not the text."""
    found: list[Segment] = []
    clock = 0.0
    for _ in range(draw(st.integers(0, 5))):
        written = draw(st.lists(texts, max_size=6))
        steps = draw(st.lists(st.floats(0, 3), min_size=2 * len(written), max_size=2 * len(written)))
        marks = list(accumulate(steps, initial=clock))[1:]
        words = tuple(Word(text, marks[2 * place], marks[2 * place + 1], 0.5) for place, text in enumerate(written))
        text = "".join(written) if draw(st.booleans()) or not written else draw(texts)
        raw = text.encode()
        parts = [raw[place : place + 2] for place in range(0, len(raw), 2)]
        found.append(
            Segment(
                words[0].start if words else clock,
                (clock := marks[-1] if words else clock + 1),
                text or "x",
                tokens=tuple(range(draw(st.integers(0, 9)))),
                words=words,
                logprobs=tuple(Logprob(part, -0.1) for part in parts),
            )
        )
    return found


@given(heard(), st.lists(turns, max_size=8))
def test_nothing_is_lost_and_time_goes_on(segments: list[Segment], spoken: list[Turn]) -> None:
    found = assigned(segments, Diarization(tuple(spoken), (), (None,) * 3), NAMES)
    assert "".join(one.text for one in found) == "".join(one.text for one in segments)
    for whole in ("tokens", "logprobs"):
        assert [one for piece in found for one in getattr(piece, whole)] == [
            one for piece in segments for one in getattr(piece, whole)
        ]
    words = [word for piece in found for word in piece.words]
    assert [(word.text, word.start, word.end) for word in words] == [
        (word.text, word.start, word.end) for piece in segments for word in piece.words
    ]
    assert all(word.speaker == piece.speaker for piece in found for word in piece.words)
    assert all(one.start <= one.end for one in found)
    assert all(one.end <= two.start + 1e-9 for one, two in pairwise(found))
    assert all((one.speaker is None) == (not exclusive(spoken)) for one in found)
    assert all(one.text for one in found)


@given(st.lists(turns, max_size=12))
def test_one_speaks_at_a_time(spoken: list[Turn]) -> None:
    found = exclusive(spoken)
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert exclusive(found) == found
    for turn in spoken:  # whenever somebody spoke, somebody speaks
        middle = (turn.start + turn.end) / 2
        assert turn.end == turn.start or any(one.start <= middle <= one.end for one in found)
