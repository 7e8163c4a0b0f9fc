"""The engine with models that really say something: words, times, silence and damaged models, by value."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import relatives
import yaml
from parakeet_process import MODEL, record
from transducer import BANDS, FRAME, RATE, Kind, Said, make, recording

from stt_core.engine.protocol import Options, Segment, Span, Window
from stt_core.errors import BadRequest, StartError
from stt_core.languages import NAMES
from stt_core.settings import Settings
from stt_parakeet.engine import Parakeet
from stt_parakeet.models import DEFAULT, MODELS
from stt_parakeet.places import Places

VOCABULARY = ("▁one", "▁two", "▁three", "▁¿", "four", "o", ".", "<unk>")
KINDS: dict[Kind, str] = {
    "nemo-conformer-tdt": MODEL,
    "nemo-conformer-rnnt": "istupakov/parakeet-rnnt-0.6b-onnx",
    "nemo-conformer-ctc": "istupakov/parakeet-ctc-0.6b-onnx",
}
EVERY = [Said(sound, 0.5 + 0.7 * sound, 0.9 + 0.7 * sound) for sound in range(len(BANDS))]
ALL = Options(word_times=True, logprobs=True)


def loaded(folder: Path, kind: Kind = "nemo-conformer-tdt", vocabulary: tuple[str, ...] = VOCABULARY) -> Parakeet:
    make(folder / "model", vocabulary, kind)
    return opened(folder / "model", KINDS[kind])


def opened(folder: Path, model: str = MODEL) -> Parakeet:
    engine = Parakeet(Places(Settings(model=model), folder).of, 2)
    engine.load(model)
    return engine


def window(samples: np.ndarray[Any, Any], options: Options = ALL, *spans: Span, **fields: Any) -> Window:
    return Window(samples.astype(np.float32), spans or (Span(0, len(samples)),), options, **fields)


def heard(engine: Parakeet, *windows: Window) -> list[Segment]:
    return [segment for result in engine.run(windows) for segment in result.segments]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_decoder_says_what_was_to_be_heard_and_when(tmp_path: Path, kind: Kind) -> None:
    engine = loaded(tmp_path, kind)
    found = heard(engine, window(recording(7, EVERY)))
    words = [word for segment in found for word in segment.words]
    assert [word.text for word in words] == [" one", " two", " three", " ¿fouro."]  # and no <unk>
    for word, said in zip(words, EVERY, strict=False):
        assert word.start == pytest.approx(said.start, abs=FRAME + 0.01)
    assert words[-1].end == pytest.approx(EVERY[5].start + 0.32, abs=FRAME + 0.01)
    assert all(0.5 < word.probability <= 1 for word in words)
    assert b"".join(one.raw for segment in found for one in segment.logprobs) == b" one two three \xc2\xbffouro."


def test_a_window_whose_spans_were_joined_is_parted_there(tmp_path: Path) -> None:
    engine = loaded(tmp_path)
    samples = recording(4, [Said(0, 0.5, 0.9), Said(1, 1.5, 1.9), Said(2, 2.5, 2.9)])
    spans = Span(0, 2 * RATE), Span(100 * RATE, 102 * RATE)
    assert [one.text for one in heard(engine, window(samples, ALL, *spans))] == [" one two", " three"]
    near = Span(0, 2 * RATE), Span(2 * RATE, 4 * RATE)
    assert [one.text for one in heard(engine, window(samples, ALL, *near))] == [" one two three"]


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 159, 160, 319, 320, 1599, 1600, 1601, 2400])
def test_what_is_too_short_to_say_anything_says_nothing(tmp_path: Path, samples: int) -> None:
    engine = loaded(tmp_path)
    (result,) = engine.run([window(recording(1, [])[:samples])])
    assert result.segments == () and result.language is None


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.3])
def test_silence_and_noise_are_nothing_and_no_error(tmp_path: Path, level: float) -> None:
    engine = loaded(tmp_path)
    noise = np.random.default_rng(1).standard_normal(30 * RATE).astype(np.float32) * level
    assert "<unk>" not in "".join(one.text for one in heard(engine, window(noise)))


def test_an_assertion_of_the_library_is_tried_once_more_with_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At certain lengths onnx-asr counts a frame more than there is (its issue 138)."""
    engine = loaded(tmp_path)
    samples = recording(3, [Said(0, 1.0, 1.4)])
    inner = engine.recognizer.model
    lengths: list[int] = []

    class Failing:
        def recognize(self, waveform: Any, **options: Any) -> Any:
            lengths.append(len(waveform))
            if len(waveform) == len(samples):
                raise AssertionError
            return inner.recognize(waveform, **options)

    monkeypatch.setattr(engine.recognizer, "model", Failing())
    assert [one.text for one in heard(engine, window(samples))] == [" one"]
    assert lengths == [len(samples), len(samples) + round(0.3 * RATE)]


def test_the_language_is_told_by_the_text_and_by_who_asks(tmp_path: Path) -> None:
    french = ("▁bonjour", "▁je", "▁vous", "▁appelle", "▁demain", "▁matin", "▁merci", ".")
    engine = loaded(tmp_path, vocabulary=french)
    samples = recording(7, EVERY)
    (result,) = engine.run([window(samples)])
    assert result.language == "fr" and (result.language_probability or 0) > 0.5
    (asked,) = engine.run([window(samples, Options(language="de"), language="de")])
    assert asked.language == "de" and asked.segments[0].language == "de"
    (one_of,) = engine.run([window(samples, Options(languages=("de", "en")))])
    assert one_of.language in ("de", "en")


def test_windows_run_one_by_one(tmp_path: Path) -> None:
    engine = loaded(tmp_path)
    first, second = window(recording(3, [])), window(recording(3, []))
    assert engine.group(first) != engine.group(second)


# What is not the model that it should be.


def damaged(folder: Path, file: str, content: bytes | None) -> str:
    """The sentence that a service whose model has this file ends with; None: it has it not."""
    make(folder, VOCABULARY)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(StartError) as caught:
        opened(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("encoder-model.int8.onnx", None, "encoder-model"),
        ("encoder-model.int8.onnx", b"", "encoder-model"),
        ("decoder_joint-model.int8.onnx", b"half of it", "decoder_joint-model"),
        ("vocab.txt", None, "vocab.txt"),
        ("vocab.txt", b"\xe2\x96\x81one 0\n<blk> 1\n", "vocab.txt has 2 tokens"),
        ("vocab.txt", b"no numbers\n", "vocab"),
        ("config.json", b"{", "config.json is damaged"),
        ("config.json", b"[]", "config.json is damaged"),
        ("config.json", json.dumps({"model_type": "nemo-conformer-ctc"}).encode(), "of another kind"),
        ("config.json", json.dumps({"model_type": "nemo-conformer-tdt"}).encode(), "cannot be loaded"),
    ],
)
def test_a_damaged_model_is_one_sentence_that_says_what_to_do(
    tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    sentence = damaged(tmp_path / "model", file, content)
    assert said in sentence and "etch it again" in sentence and "\n" not in sentence


def test_a_model_without_config_is_read_as_the_known_servers_are(tmp_path: Path) -> None:
    """Their downloads have none."""
    make(tmp_path / "model", VOCABULARY, config=False)
    engine = opened(tmp_path / "model")
    assert heard(engine, window(recording(3, [Said(1, 1.0, 1.4)])))[0].text == " two"
    assert not (tmp_path / "model" / "config.json").exists()


def test_without_a_folder_of_its_own_the_model_lies_with_the_others(tmp_path: Path) -> None:
    place = tmp_path / MODEL.replace("/", "--")
    make(place, VOCABULARY)
    record(place)
    places = Places(Settings(model=MODEL, models_dir=tmp_path), tmp_path / "nowhere")
    assert places.of(MODEL) == place
    (place / "vocab.txt").write_text("another\n")
    with pytest.raises(StartError, match=r"vocab\.txt is not the file that was pinned"):
        places.of(MODEL)
    shutil.rmtree(place)
    with pytest.raises(StartError, match="not complete"):
        places.of(MODEL)
    with pytest.raises(StartError, match="There is no model 'openai/whisper-base' here"):
        places.of("openai/whisper-base")


def test_a_model_that_must_be_told_the_language_asks_for_it() -> None:
    engine = Parakeet(lambda model: Path(), 1)
    engine.known = MODELS["istupakov/canary-1b-v2-onnx"]
    with pytest.raises(BadRequest, match="send `language`"):
        engine.group(window(np.zeros(RATE, np.float32), Options()))
    assert engine.capabilities.translation and not engine.capabilities.word_times


# Its relatives: each by its own class of onnx-asr's, its own files and its own grid of time.


@pytest.mark.parametrize(
    ("model", "made", "grid"),
    [
        ("istupakov/gigaam-v3-onnx", relatives.gigaam_rnnt, 0.04),
        ("istupakov/gigaam-multilingual-ctc-onnx", relatives.gigaam_ctc, 0.04),
        ("alphacep/vosk-model-small-ru", relatives.vosk, 0.04),
    ],
)
def test_relatives_say_what_they_are_made_to_say(
    tmp_path: Path, model: str, made: Callable[[Path], None], grid: float
) -> None:
    made(tmp_path)
    found = heard(opened(tmp_path, model), window(recording(4, EVERY[:3])))
    words = [word for segment in found for word in segment.words]
    assert [word.text for word in words] == [" да", " нет."]
    assert [word.start for word in words] == [pytest.approx(frame * grid) for _, frame in relatives.SAID[:2]]


def test_canary_is_told_the_language_and_translates(tmp_path: Path) -> None:
    relatives.canary(tmp_path)
    engine = opened(tmp_path, "istupakov/canary-1b-v2-onnx")
    samples = recording(4, EVERY[:3])

    def said(options: Options) -> list[tuple[str, float, float, str | None]]:
        found = heard(engine, window(samples, options, language=options.language))
        return [(one.text, one.start, one.end, one.language) for one in found]

    assert said(Options(language="fr")) == [(" bonjour.", 0.0, 4.0, "fr")]
    assert said(Options(language="en")) == [(" hello.", 0.0, 4.0, "en")]
    assert said(Options(language="fr", task="translate"))[0][0] == " hello."


def test_the_kit_fetches_the_models_that_are_known_here_and_no_others() -> None:
    manifest = yaml.safe_load((Path(__file__).parents[1] / "service.yml").read_text())["models"]
    assert manifest["closed"] and {named["model"] for named in manifest["names"].values()} == MODELS.keys()
    assert manifest["default"] == DEFAULT
    assert {language for known in MODELS.values() for language in known.languages} <= NAMES.keys()
