"""Word times: what is pure about them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_core.engine.protocol import Segment, Word
from stt_speakers.alignment.placing import Interval, filled, placed, stretches, words_of
from stt_speakers.alignment.pronouncing import sounds
from stt_speakers.alignment.spoken import spoken

END = 100.0
VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
CONSONANTS = {*"BDFGKLMNPRSTVWYZ", "CH", "DH", "HH", "JH", "NG", "SH", "TH", "ZH"}
seconds = st.floats(0, END + 5)
intervals = st.tuples(seconds, seconds)


def segments(sizes: list[int], times: list[Interval]) -> list[Segment]:
    """Of so many words each, at those times."""
    words = iter(Word(f" w{place}", *time, 1.0) for place, time in enumerate(times))
    made = [tuple(next(words) for _ in range(size)) for size in sizes]
    return [Segment(0, END, "".join(word.text for word in own), words=own) for own in made]


@given(st.data())
def test_words_come_out_in_order_whatever_was_found(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 5), max_size=6))
    count = sum(sizes)
    given_ = segments(sizes, data.draw(st.lists(intervals, min_size=count, max_size=count)))
    found = data.draw(st.lists(st.none() | intervals, min_size=count, max_size=count))
    timed = placed(given_, filled([(word.start, word.end) for word in words_of(given_)], found), END)
    assert [[word.text for word in one.words] for one in timed] == [[word.text for word in one.words] for one in given_]
    assert [one.text for one in timed] == [one.text for one in given_]
    words = words_of(timed)
    assert all(0 <= word.start <= word.end <= END for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    for one in timed:
        assert not one.words or (one.start, one.end) == (one.words[0].start, one.words[-1].end)


def test_a_word_that_was_not_found_keeps_its_place() -> None:
    rough = [(1.0, 1.5), (1.5, 2.0), (2.0, 2.5), (2.5, 3.0)]
    assert filled(rough, [(1.1, 1.6), None, (1.8, 2.6), None]) == [
        (1.1, 1.6),
        (1.6, 1.8),
        (1.8, 2.6),
        (2.6, 3.0),
    ]


def test_words_that_overlap_meet_in_the_middle() -> None:
    (timed,) = placed(segments([2], [(0.0, 1.0)] * 2), [(1.0, 1.6), (1.5, 2.0)], END)
    assert [(word.start, word.end) for word in timed.words] == [(1.0, 1.55), (1.55, 2.0)]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 3)), max_size=60), st.floats(0.5, 20))
def test_stretches_hold_every_word_once(steps: list[tuple[float, float]], limit: float) -> None:
    times: list[Interval] = []
    at = 0.0
    for gap, length in steps:
        times.append((at + gap, at + gap + length))
        at += gap + length
    cut = stretches(times, limit, 1.0, 0.4, at)
    assert [place for one in cut for place in range(one.first, one.last)] == list(range(len(times)))
    for one in cut:
        first, last = times[one.first], times[one.last - 1]
        assert max(0, first[0] - 0.4) <= one.start <= first[0] + 1e-9
        assert last[1] - 1e-9 <= one.end <= min(at, last[1] + 0.4) + 1e-9
        assert one.last - one.first == 1 or last[1] - first[0] <= limit
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(cut))


def test_speech_without_a_pause_is_not_cut_to_pieces() -> None:
    times = [(place * 0.3, place * 0.3 + 0.3) for place in range(10_000)]
    assert all(one.last - one.first > 10 for one in stretches(times, 20.0, 1.0, 0.4, 3000.0))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (" Hello,", "hello"),
        (" 1961,", "nineteen sixty one"),
        (" 1905", "nineteen oh five"),
        (" 2005", "two thousand five"),
        (" 1,250", "one thousand two hundred fifty"),
        (" $5.50", "five dollars fifty"),
        (" 3.14", "three point one four"),
        (" 20%", "twenty percent"),
        (" 22nd", "twenty second"),
        (" 90s", "nineties"),
        (" 007", "zero zero seven"),
        (" well-known", "well known"),
        (" Smith\N{RIGHT SINGLE QUOTATION MARK}s", "smith's"),
        (" naïve", "naive"),
        (" …", ""),
        (" дом", ""),
    ],
)
def test_what_is_said_where_it_is_written(written: str, said: str) -> None:
    assert " ".join(spoken(written)) == said


@given(st.text(max_size=40))
def test_whatever_is_written_can_be_pronounced(written: str) -> None:
    for word in spoken(written):
        assert set(sounds(word).split()) <= VOWELS | CONSONANTS


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("greffier", "G R EH F IY R"),
        ("zork's", "Z AO R K Z"),
        ("nightly", "N AY T L IY"),
        ("thought", "TH AO T"),
        ("dvd", "D IY V IY D IY"),
    ],
)
def test_letters_to_sounds(word: str, said: str) -> None:
    assert sounds(word) == said
