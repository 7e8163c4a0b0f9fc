"""Who said what, from the sound to the words: Whisper, aligner, diarizer and assignment, without a server."""

import io
from dataclasses import replace
from itertools import permutations

import pytest
from whisperx_process import MODEL, models

from stt_core.audio import AudioFile
from stt_core.audio.vad import VoiceDetector
from stt_core.engine.protocol import Options, SpeakerOptions, Transcript, VadOptions, Window, WindowResult
from stt_core.scheduling.timeline import restored
from stt_core.scheduling.windows import windows
from stt_core.settings import Settings
from stt_ctranslate2.engine import FasterWhisper
from stt_speakers.engine import SpeakerEngine
from stt_speakers.settings import Stages
from stt_speakers.stages import stages
from stt_testing.conversation import conversation, said

OPTIONS = Options(language="en", word_times=True, speakers=SpeakerOptions())


@pytest.fixture(scope="module")
def heard() -> tuple[str, Transcript]:
    """The text of the conversation, and its transcript."""
    core = Settings(models_dir=models(), model=MODEL)
    engine = SpeakerEngine(FasterWhisper(models(), "cpu", "int8", 1), stages(core, Stages(), 1))
    engine.load(MODEL)
    source = AudioFile(io.BytesIO(conversation()))
    results = [
        transcribed(engine, Window(cut.samples, cut.spans, OPTIONS, language="en"))
        for cut in windows(source.blocks(), VoiceDetector().stream().probabilities, VadOptions())
    ]
    text = "".join(segment.text for result in results for segment in result.segments)
    return text, engine.finish(source, results, OPTIONS, lambda stage, share: None)


def transcribed(engine: SpeakerEngine, window: Window) -> WindowResult:
    while (result := engine.run([window])[0]).again is not None:
        window = replace(window, again=result.again)
    return restored(result, window.spans)


def errors(told: list[str], truth: list[str]) -> int:
    """Words to change, add or leave out."""
    row = list(range(len(truth) + 1))
    for number, word in enumerate(told, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(truth, 1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (word != other)),
            )
    return row[-1]


def plain(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '").split()


def test_the_text_is_as_it_was_heard(heard: tuple[str, Transcript]) -> None:
    text, transcript = heard
    assert "".join(segment.text for segment in transcript.segments) == text
    assert not transcript.warnings


def test_each_speaker_has_their_words(heard: tuple[str, Transcript]) -> None:
    """The concatenated minimum-permutation word error rate, and the plain one beside it."""
    _, transcript = heard
    speakers = sorted({segment.speaker for segment in transcript.segments if segment.speaker})
    assert speakers == ["A", "B"]
    told = [
        plain(" ".join(segment.text for segment in transcript.segments if segment.speaker == speaker))
        for speaker in speakers
    ]
    truth = [plain(" ".join(text for who, text in said() if who == name)) for name in ("Diane", "Sheila")]
    whole = sum(map(len, truth))
    best = min(sum(map(errors, order, truth)) for order in permutations(told)) / whole
    any_speaker = errors(plain(transcript.text), plain(" ".join(text for _, text in said()))) / whole
    assert any_speaker < 0.25  # Whisper base, on a telephone
    assert best < any_speaker + 0.05  # three words with the wrong one
