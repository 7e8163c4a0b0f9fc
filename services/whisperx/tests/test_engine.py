"""What the engine makes of a stage that fails."""

import io
from pathlib import Path

import pytest

from stt_core.audio import AudioFile
from stt_core.engine.protocol import Options, Segment, SpeakerOptions, WindowResult, Word
from stt_core.scheduling.transcription import GivenUp
from stt_ctranslate2.engine import FasterWhisper
from stt_speakers.alignment.choose import Aligners
from stt_speakers.diarization.choose import Diarizers
from stt_speakers.diarization.protocol import Diarization, Diarizer
from stt_speakers.engine import NOBODY, SpeakerEngine
from stt_speakers.settings import Stages as Settings
from stt_speakers.stages import Stages
from stt_testing import sounds

HEARD = [WindowResult("en", (Segment(1, 2, " Ask not.", words=(Word(" Ask not.", 1, 2, 0.9),)),))]


class Broken(Diarizers):
    def get(self) -> Diarizer:
        raise RuntimeError("out of memory")


class Deaf(Diarizers):
    """Hears nobody, whatever is said."""

    name = "deaf"

    def get(self) -> Diarizer:
        return self  # type: ignore[return-value]

    def diarize(self, *asked: object) -> Diarization:
        return Diarization((), (), ())


def made(folder: Path, kind: type[Diarizers]) -> SpeakerEngine:
    stages = Stages(Aligners(folder, {}, "cpu"), kind(folder, Settings(), 1, "cpu"), (), None)
    return SpeakerEngine(FasterWhisper(folder, "cpu", "int8", 1), stages)


@pytest.fixture
def engine(tmp_path: Path) -> SpeakerEngine:
    return made(tmp_path, Broken)


@pytest.mark.parametrize("required", [True, False])
def test_words_without_a_voice_are_a_warning(tmp_path: Path, required: bool) -> None:
    asked = Options(speakers=SpeakerOptions(required=required))
    source = AudioFile(io.BytesIO(sounds.speech()))
    found = made(tmp_path, Deaf).finish(source, HEARD, asked, lambda stage, share: None)
    assert found.text == "Ask not." and not found.told_apart and found.warnings == (NOBODY,)


def test_a_failure_is_a_warning_only_where_speakers_may_fail(engine: SpeakerEngine) -> None:
    source = AudioFile(io.BytesIO(sounds.speech()))
    told: list[str] = []

    def progress(stage: str, share: float) -> None:
        told.append(stage)

    may = engine.finish(source, HEARD, Options(speakers=SpeakerOptions(required=False)), progress)
    assert may.text == "Ask not." and may.segments[0].speaker is None and may.segments[0].words == ()
    assert may.warnings == ("No speakers were identified: diarization failed. See the service's log.",)
    assert list(dict.fromkeys(told)) == ["decoding", "diarizing"]
    with pytest.raises(RuntimeError):
        engine.finish(source, HEARD, Options(speakers=SpeakerOptions()), progress)


@pytest.mark.parametrize("last", ["decoding", "aligning", "diarizing"])
def test_whoever_is_told_may_end_it(engine: SpeakerEngine, last: str) -> None:
    def progress(stage: str, share: float) -> None:
        if stage == last:
            raise GivenUp

    asked = Options(word_times=True, speakers=SpeakerOptions(required=False))
    with pytest.raises(GivenUp):
        engine.finish(AudioFile(io.BytesIO(sounds.speech())), HEARD, asked, progress)


def test_a_translation_is_not_looked_for_in_the_sound(engine: SpeakerEngine) -> None:
    source, told = AudioFile(io.BytesIO(sounds.speech())), list[str]()
    asked = Options(task="translate", word_times=True)
    found = engine.finish(source, HEARD, asked, lambda stage, share: told.append(stage))
    assert found.segments == HEARD[0].segments and "aligning" not in told
