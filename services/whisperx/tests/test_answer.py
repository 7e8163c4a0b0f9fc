"""WhisperX's shape of a transcript."""

from stt_core.engine.protocol import Segment, Transcript, Word
from stt_whisperx.answer import body, merged


def said(start: float, text: str, speaker: str | None = None) -> Segment:
    words = (Word(text, start, start + 0.41234, 0.98765, speaker),)
    return Segment(start, start + 0.5, text, words=words, speaker=speaker)


def test_only_what_there_is() -> None:
    plain = Transcript("fr", 3, (said(1, " Oui."),))
    assert body(plain, aligned=False) == {
        "segments": [{"start": 1, "end": 1.5, "text": " Oui."}],
        "language": "fr",
    }
    told = Transcript("fr", 3, (said(1, " Oui.", "B"), said(2, " Non.", "Camille")), ("No more.",))
    assert body(told, aligned=True) == {
        "segments": [
            {
                "start": 1,
                "end": 1.5,
                "text": " Oui.",
                "speaker": "SPEAKER_01",
                "words": [{"word": "Oui.", "start": 1, "end": 1.412, "score": 0.988, "speaker": "SPEAKER_01"}],
            },
            {
                "start": 2,
                "end": 2.5,
                "text": " Non.",
                "speaker": "Camille",
                "words": [{"word": "Non.", "start": 2, "end": 2.412, "score": 0.988, "speaker": "Camille"}],
            },
        ],
        "language": "fr",
        "warnings": ["No more."],
    }


def test_channels_are_merged_by_time() -> None:
    left = Transcript(None, 4, (said(1, " a"), said(3, " c")), ("Rough.",))
    right = Transcript("en", 5, (said(2, " b"),), ("Rough.", "Late."))
    found = merged([left, right])
    assert (found.text, found.language, found.duration) == ("a b c", "en", 5)
    assert [segment.speaker for segment in found.segments] == ["A", "B", "A"]
    assert {word.speaker for segment in found.segments for word in segment.words} == {"A", "B"}
    assert found.warnings == ("Rough.", "Late.")
