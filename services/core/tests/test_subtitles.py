"""Subtitles: what is lost, what fits, when it stands on the screen, and how it reads."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_core.engine.protocol import Segment, Transcript, Word
from stt_core.output import formats
from stt_core.output.speaker_labels import introduction
from stt_core.output.subtitles import Limits, cues, width

SCREEN = Limits()

letters = st.sampled_from(list("abcdefgh,.!?-'<>&") + list("字幕表示、。「」は") + ["ü", "e\u0301", "ก", "ี", "😀"])
tokens = st.lists(letters, min_size=1, max_size=60).map("".join)
times = st.lists(st.floats(0, 9), min_size=2, max_size=2)


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    """Segments in order, with words and without, and with words that are not those of the text."""
    found, at = [], 0.0
    for texts in draw(st.lists(st.lists(tokens, max_size=12), max_size=4)):
        start = at
        words = []
        for text in texts:
            pause, length = draw(times)
            spaced = draw(st.sampled_from([" ", "", "\n "])) + text
            words.append(Word(spaced, at + pause, at + pause + length, 1.0))
            at += pause + length
        text = "".join(word.text for word in words)
        kept = draw(st.sampled_from([words, [], words[1:]]))
        found.append(Segment(start, at, text, words=tuple(kept)))
    return found


limits = st.builds(Limits, st.integers(10, 60), st.integers(1, 3), st.floats(1, 10))


@given(segments(), limits)
def test_nothing_is_lost_and_everything_fits(spoken: list[Segment], given_limits: Limits) -> None:
    found = cues(spoken, given_limits)
    shown = "".join("".join(line.split()) for cue in found for line in cue.lines)
    assert shown == "".join("".join(segment.text.split()) for segment in spoken)
    for cue in found:
        assert 1 <= len(cue.lines) <= given_limits.lines
        assert all(line == line.strip() and line for line in cue.lines)
        assert all(width(line) <= given_limits.line for line in cue.lines)
        assert 0 <= cue.start <= cue.end <= cue.start + given_limits.seconds + 0.001
    ordered = [time for cue in found for time in (cue.start, cue.end)]
    assert ordered == sorted(ordered)


@given(segments())
def test_no_word_is_broken_that_a_line_holds(spoken: list[Segment]) -> None:
    shown = {word for cue in cues(spoken, SCREEN) for line in cue.lines for word in line.split()}
    for segment in spoken:
        for word in segment.text.split():
            if width(word) <= SCREEN.line and word.isascii():
                assert word in shown


@given(segments(), st.lists(st.sampled_from([None, "A", "B"]), min_size=4, max_size=4), limits)
def test_every_cue_begins_with_its_speaker_and_still_fits(
    spoken: list[Segment], speakers: list[str | None], given_limits: Limits
) -> None:
    told = [replace(one, speaker=name) for one, name in zip(spoken, speakers, strict=False)]
    found = cues(told, given_limits)
    for name in (None, "A", "B"):
        before = introduction(name) if name else ""
        own = [cue for cue in found if cue.lines[0].startswith(before or ("[SPEAKER_",)) == bool(name)]
        shown = "".join("".join([cue.lines[0][len(before) :], *cue.lines[1:]]) for cue in own)
        said = "".join(segment.text for segment in told if segment.speaker == name)
        assert "".join(shown.split()) == "".join(said.split())
        times = [time for cue in own for time in (cue.start, cue.end)]
        assert times == sorted(times)
        for cue in own:
            assert len(cue.lines) <= given_limits.lines
            # A name that would take most of a line does not count.
            room = given_limits.line + (len(before) if len(before) > given_limits.line // 2 else 0)
            assert width(cue.lines[0]) <= room and all(width(line) <= room for line in cue.lines[1:])
    assert [cue.start for cue in found] == sorted(cue.start for cue in found)


def test_who_speaks_at_once_is_read_at_once() -> None:
    """As it is with a channel for each: nobody waits for the other's end."""
    one = replace(timed(SPEECH, at=1.0), speaker="A")
    two = replace(timed("I will.", at=4.0), speaker="B")
    assert [(cue.start, cue.lines) for cue in cues([one, two], SCREEN)] == [
        (1.0, ("[SPEAKER_00]: And so my fellow Americans,", "ask not what your country can do for you,")),
        (4.0, ("[SPEAKER_01]: I will.",)),
        (pytest.approx(6.6), ("[SPEAKER_00]: ask what you", "can do for your country.")),
    ]


def timed(text: str, seconds: float = 0.4, at: float = 0.0) -> Segment:
    words = [
        Word(f" {word}", at + index * seconds, at + (index + 1) * seconds, 1.0)
        for index, word in enumerate(text.split())
    ]
    return Segment(at, words[-1].end, "".join(word.text for word in words), words=tuple(words))


SPEECH = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


@pytest.mark.parametrize("spoken", [timed(SPEECH), Segment(0, 9, SPEECH)])
def test_breaks_are_where_the_speaker_makes_them(spoken: Segment) -> None:
    assert [cue.lines for cue in cues([spoken], SCREEN)] == [
        ("And so my fellow Americans,", "ask not what your country can do for you,"),
        ("ask what you can do for your country.",),
    ]


def test_words_say_when() -> None:
    first, second = cues([timed(SPEECH, at=3.0)], SCREEN)
    assert (first.start, first.end) == pytest.approx((3.0, 3.0 + 14 * 0.4))
    assert (second.start, second.end) == pytest.approx((3.0 + 14 * 0.4, 3.0 + 22 * 0.4))


def test_a_long_silence_is_not_in_a_cue() -> None:
    one, two = timed("One moment please."), timed("Here we are.", at=20.0)
    joined = Segment(0, two.end, one.text + two.text, words=(*one.words, *two.words))
    assert [(cue.lines, cue.start) for cue in cues([joined], SCREEN)] == [
        (("One moment please.",), 0.0),
        (("Here we are.",), 20.0),
    ]


def test_a_slow_phrase_stays_whole_and_a_short_one_long_enough() -> None:
    (slow,) = cues([Segment(0, 20, " Thank you.")], SCREEN)
    assert (slow.lines, slow.start, slow.end) == (("Thank you.",), 0, 7)
    quick, after = cues([timed("Yes.", 0.2), timed("No.", 0.2, at=0.8)], SCREEN)
    assert (quick.end, after.end) == (0.8, 1.8)


def test_scripts_without_spaces() -> None:
    text = "我们今天在这里讨论的是一个非常重要的问题，它关系到我们每一个人的生活，也关系到我们的未来。"
    found = cues([Segment(0, 12, text)], SCREEN)
    assert all(len(line) <= 21 for cue in found for line in cue.lines)
    assert all(line[0] not in "，。" for cue in found for line in cue.lines)
    assert found[0].lines[0].endswith("，") or len(found[0].lines) == 1


def test_settings_are_kept() -> None:
    (narrow, *_) = cues([timed(SPEECH)], Limits(20, 3, 4))
    assert len(narrow.lines) <= 3 and all(len(line) <= 20 for line in narrow.lines) and narrow.end <= 4


def transcript(*texts: str) -> Transcript:
    spoken = (Segment(3600.0 * hour, 3600.0 * hour + 1.5, text) for hour, text in enumerate(texts))
    return Transcript("en", 7200.0, tuple(spoken))


def test_both_formats() -> None:
    spoken = transcript(" A <b> & c --> d\n", "", " Bye.")
    assert formats.srt(spoken) == (
        "1\n00:00:00,000 --> 00:00:01,500\nA <b> & c -> d\n\n2\n02:00:00,000 --> 02:00:01,500\nBye.\n"
    )
    assert formats.vtt(spoken) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nA &lt;b&gt; &amp; c --&gt; d\n\n02:00:00.000 --> 02:00:01.500\nBye.\n"
    )
