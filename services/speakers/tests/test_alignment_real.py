"""Aligners at work: pocketsphinx with its model, WhisperX's alignment with a tiny random one."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stt_core.audio import AudioFile
from stt_core.engine.protocol import Segment, Word
from stt_speakers import audio_library
from stt_speakers.alignment.choose import Aligners
from stt_speakers.alignment.placing import words_of
from stt_speakers.alignment.pocketsphinx import PocketSphinx
from stt_speakers.alignment.protocol import Aligner, AlignmentUnavailable
from stt_speakers.alignment.wav2vec2 import Wav2Vec2
from stt_speakers.sound import Sound, decoded
from stt_testing.service import required

# As Whisper base has it, to the tenth of a second.
JFK = (
    "0.0 And|0.6 so|0.9 my|1.2 fellow|1.6 Americans,|3.3 ask|3.8 not|4.3 what|5.6 your|5.9 country|6.3 can"
    "|6.6 do|6.9 for|7.1 you,|7.9 ask|8.5 what|8.8 you|9.1 can|9.4 do|9.6 for|9.9 your|10.1 country."
)
NAME = "acme/wav2vec2-tiny"


def segment(written: str, end: float) -> Segment:
    starts, texts = zip(*(one.split(" ", 1) for one in written.split("|")), strict=True)
    ends = [*map(float, starts[1:]), end]
    words = tuple(
        Word(f" {text}", float(start), stop, 1.0) for start, text, stop in zip(starts, texts, ends, strict=True)
    )
    return Segment(0.0, end, "".join(word.text for word in words), words=words)


@pytest.fixture(scope="module")
def speech() -> Sound:
    with (required("STT_TEST_AUDIO") / "jfk.wav").open("rb") as file, decoded(AudioFile(file)) as sound:
        return Sound(sound.between(0, sound.length))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a tiny one whose weights are random."""
    audio_library.prepare()
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    root = tmp_path_factory.mktemp("models")
    folder = root / NAME.replace("/", "--")
    folder.mkdir()
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'アスンカ"]
    (folder / "vocab.json").write_text(json.dumps({letter: place for place, letter in enumerate(letters)}))
    torch.manual_seed(1)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))).save_pretrained(
        folder
    )
    files = {file.name: {"sha256": "0" * 64, "size": file.stat().st_size} for file in folder.iterdir()}
    for name, entry in files.items():
        entry["mtime_ns"] = (folder / name).stat().st_mtime_ns
    (folder / ".greffier.json").write_text(json.dumps({"files": files}))
    return root


def check(aligner: Aligner, sound: Sound, given: list[Segment]) -> list[Word]:
    """The words, after what holds for every aligner."""
    told: list[float] = []
    timed = aligner.align(sound, given, told.append)
    assert [[word.text for word in one.words] for one in timed] == [[word.text for word in one.words] for one in given]
    words = words_of(timed)
    assert all(0 <= word.start <= word.end <= sound.duration for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert told == sorted(told) and told[-1] == 1.0
    return words


def test_pocketsphinx_finds_the_words_where_they_are_said(speech: Sound) -> None:
    words = check(PocketSphinx(), speech, [segment(JFK, 10.6)])
    samples = speech.between(0, speech.length)
    loudness = np.sqrt(np.mean(samples[: len(samples) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    quiet = loudness < 0.05 * np.percentile(loudness, 95)
    for word in words:
        frames = quiet[round(word.start * 100) : round(word.end * 100)]
        assert 0.05 < word.end - word.start < 1.0, word
        assert frames.mean() < 0.5, word
    # The speaker pauses for longer than a second after "Americans" and after "not".
    assert words[5].start - words[4].end > 0.8
    assert words[7].start - words[6].end > 0.8


def test_numbers_and_names_that_no_dictionary_has(speech: Sound) -> None:
    found = check(PocketSphinx(), speech, [segment(JFK.replace("Americans,", "Amerricanz,"), 10.6)])
    assert 1.5 < found[4].start < found[4].end < 2.3
    mixed = "0.0 1961,|0.6 дом|0.9 …|1.2 £5|1.6 Grzegorz|3.3 100%|9.0 1"
    check(PocketSphinx(), speech, [segment(mixed, 10.6)])


def test_text_that_does_not_fit_keeps_its_times(speech: Sound) -> None:
    aligner = PocketSphinx()
    crowd = "|".join(f"{place / 100} extraordinarily" for place in range(100))
    check(aligner, speech, [segment(crowd, 1.0)])
    late = segment("40.0 far|41.0 beyond|90.0 the|91.0 end", 92.0)
    check(aligner, speech, [late])
    check(aligner, Sound(np.zeros(0, np.int16)), [late])
    assert aligner.align(speech, [Segment(0.0, 1.0, "")], lambda share: None)[0].words == ()
    check(aligner, speech, [segment(JFK, 10.6)])  # and the decoder has not taken harm


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", [" And", " so", "-called", " 42", " «", " İstanbul", " it's"]),
        ("ja", ["アス", "カ", "。", "ンア", "42", "漢"]),
    ],
)
def test_wav2vec2_aligns_what_whisper_wrote(models: Path, speech: Sound, language: str, words: list[str]) -> None:
    own = tuple(Word(text, float(place), place + 0.8, 1.0) for place, text in enumerate(words))
    aligner = Aligners(models, {language: NAME}, "cpu").of(language)
    assert isinstance(aligner, Wav2Vec2)
    given = [
        Segment(0.0, 3.0, "".join(words[:3]), words=own[:3]),
        Segment(3.0, 9.0, "".join(words[3:]), words=own[3:]),
    ]
    timed = check(aligner, speech, given)
    assert [(word.start, word.end) for word in timed] != [(word.start, word.end) for word in own]


def test_each_language_has_its_aligner(models: Path) -> None:
    aligners = Aligners(models, {"ru": NAME, "de": "acme/missing"}, "cpu")
    assert [aligners.chosen(language) for language in ("ru", "de", "en", "fr")] == [
        "wav2vec2",
        "attention",
        "pocketsphinx",
        "attention",
    ]
    assert [aligners.of(language).name for language in ("ru", "en", "fr")] == [
        "wav2vec2",
        "pocketsphinx",
        "attention",
    ]
    assert aligners.of("ru") is aligners.of("ru")
    with pytest.raises(AlignmentUnavailable, match="acme/missing is not complete"):
        aligners.of("de")
    assert aligners.instead("de").name == "attention"
    before = aligners.of("en")
    aligners.clear()
    assert aligners.of("en") is not before


def test_a_folder_that_is_no_such_model_is_named(models: Path, tmp_path: Path) -> None:
    with pytest.raises(AlignmentUnavailable, match="wav2vec2"):
        Wav2Vec2("ru", tmp_path, "cpu")


def test_torchaudio_works_without_its_libraries() -> None:
    audio_library.prepare()
    audio_library.prepare()
    import torch
    import torchaudio

    assert torchaudio.functional.resample(torch.zeros(1, 1600), 16000, 8000).shape == (1, 800)
