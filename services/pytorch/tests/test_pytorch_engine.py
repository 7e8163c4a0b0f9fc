"""What the engine does with a window, by real weights and without the service around it."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BASE, TINY
from hypothesis import given
from hypothesis import strategies as st
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from stt_core import languages
from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Options, Samples, Span, Window, WindowResult
from stt_core.errors import StartError
from stt_pytorch import attention
from stt_pytorch.engine import PyTorchWhisper, weights
from stt_pytorch.hardware import hardware
from stt_testing import sounds
from stt_testing.asserts import plain
from stt_whisper.model import Prompt


def window(samples: np.ndarray[tuple[int], np.dtype[np.int16]], **asked: object) -> Window:
    values: Samples = samples.astype(np.float32) / np.float32(32768)
    options = Options(**asked)  # type: ignore[arg-type]
    return Window(values, (Span(0, len(values)),), options, language=options.language, only=True)


def heard(engine: PyTorchWhisper, one: Window) -> WindowResult:
    """What the engine says in the end."""
    (result,) = engine.run([one])
    while result.again is not None:
        (result,) = engine.run([replace(one, again=result.again)])
    return result


def text(result: WindowResult) -> str:
    return "".join(segment.text for segment in result.segments)


def test_every_name_on_openais_own_list_means_the_same() -> None:
    assert {name: languages.code(name) for name in TO_LANGUAGE_CODE} == TO_LANGUAGE_CODE


def test_the_text_is_that_of_transformers_own_generation(engine: PyTorchWhisper, models: Path) -> None:
    folder = models / BASE.replace("/", "--")
    theirs = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    processor = WhisperProcessor.from_pretrained(folder)
    speech = np.concatenate([sounds.samples(sounds.speech())] * 2)[: 26 * SAMPLE_RATE]
    one = window(speech, language="en")
    features = processor(one.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
    tokens = theirs.generate(features, language="en", task="transcribe", return_timestamps=False)
    (said,) = processor.batch_decode(tokens, skip_special_tokens=True)
    encoded = engine._whisper.encode([one.samples], 3000)
    prompts = [Prompt("en", "transcribe", ())]
    (ours,) = engine._whisper.decode(encoded, prompts, 0.0)
    assert plain(ours.text) == plain(said) and "country" in said


def test_words_are_the_text_and_where_they_were_said(engine: PyTorchWhisper) -> None:
    spanish = sounds.spoken("Buenos días. La conferencia empieza mañana a las diez.", "es")
    asked = {"word_times": True, "temperature": 0.0}  # whatever is said is right here
    english = window(sounds.samples(sounds.speech()), **asked)
    japanese = window(sounds.samples(sounds.clip()), language="ja", **asked)
    for one in (english, window(spanish, **asked), japanese):
        result = heard(engine, one)
        for segment in result.segments:
            assert "".join(word.text for word in segment.words) == segment.text
        words = [word for segment in result.segments for word in segment.words]
        times = [time for word in words for time in (word.start, word.end)]
        assert words and times == sorted(times) and times[-1] <= len(one.samples) / SAMPLE_RATE + 0.02
    spoken = {plain(word.text): word for segment in heard(engine, english).segments for word in segment.words}
    assert spoken["fellow"].start == pytest.approx(1.2, abs=0.2)  # by ear
    assert spoken["can"].start == pytest.approx(9.1, abs=0.2)


def test_windows_of_one_forward_do_not_change_each_other(engine: PyTorchWhisper) -> None:
    """Rows of other lengths, languages and texts; only the encoder's length is shared."""
    speech = sounds.samples(sounds.speech())
    asked = {"language": "en", "word_times": True, "logprobs": True}
    alone = window(speech, **asked)
    other = window(speech[3 * SAMPLE_RATE :], **asked)
    translated = window(speech[SAMPLE_RATE:], **asked | {"language": "de", "task": "translate"})
    first = heard(engine, alone)
    together, *_ = engine.run([alone, other, translated])
    assert plain(text(together)) == plain(text(first))
    starts, expected = ([word.start for segment in one.segments for word in segment.words] for one in (together, first))
    assert starts == pytest.approx(expected, abs=0.1)


def test_logprobs_are_of_the_texts_own_tokens(engine: PyTorchWhisper) -> None:
    result = heard(engine, window(sounds.samples(sounds.speech()), language="en", logprobs=True))
    found = [one for segment in result.segments for one in segment.logprobs]
    assert b"".join(one.raw for one in found).decode() == text(result)
    assert all(one.logprob <= 0 for one in found) and np.mean([one.logprob for one in found]) > -0.5


def test_what_is_drawn_is_the_likeliest_of_some(engine: PyTorchWhisper) -> None:
    torch.manual_seed(0)
    result = heard(engine, window(sounds.samples(sounds.speech()), language="en", temperature=0.4))
    assert "country" in text(result) and {segment.temperature for segment in result.segments} == {0.4}


def test_hotwords_and_prompt_are_heard(engine: PyTorchWhisper) -> None:
    names = ["Kubernetes", "Traefik", "Proxmox"]
    speech = sounds.spoken("We deployed it with Kubernetes and Traefik on Proxmox.")
    plain = text(heard(engine, window(speech, language="en")))
    assert not all(name in plain for name in names)
    for field in ("hotwords", "prompt"):
        asked = {field: ", ".join(names)}
        found = text(heard(engine, window(speech, language="en", **asked)))
        assert all(name in found for name in names), found


def test_half_precision_says_the_same(models: Path) -> None:
    half = PyTorchWhisper(models, hardware("cpu", "bfloat16", torch.get_num_threads()))
    half.load(BASE)
    assert "what you can do for your country" in plain(text(heard(half, window(sounds.samples(sounds.speech())))))


def test_a_device_that_is_not_there_is_a_sentence() -> None:
    assert hardware("auto", "int8", 1).compute_type in ("float16", "float32")
    assert hardware("cpu", "bfloat16", 1).compute_type == "bfloat16"
    missing = "cuda" if torch.backends.mps.is_available() else "mps"
    with pytest.raises(StartError, match=rf"no {missing} .* STT_DEVICE"):
        hardware(missing, "auto", 1)


def test_a_model_that_is_none_is_a_sentence(models: Path, tmp_path: Path) -> None:
    from conversion import record

    count = weights(models / TINY.replace("/", "--") / "model.safetensors")
    assert 500_000 < count < 2_000_000
    folder = tmp_path / "some--model"
    folder.mkdir()
    for content in (b"", b"no weights", struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 2**40)):
        (folder / "model.safetensors").write_bytes(content)
        record(folder)
        with pytest.raises(StartError, match="holds no weights as safetensors"):
            PyTorchWhisper(tmp_path, hardware("cpu", "float32", 1)).load("some/model")
    broken = models / TINY.replace("/", "--")
    for path in broken.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "config.json").write_text("{}")
    record(folder)
    with pytest.raises(StartError, match="cannot be loaded on cpu as float32"):
        PyTorchWhisper(tmp_path, hardware("cpu", "float32", 1)).load("some/model")


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_way_through_is_the_cheapest(rows: int, columns: int, seed: int) -> None:
    """Its price is that of the plain recursion; it begins at the first cell, and rows begin in order."""
    matrix = np.random.default_rng(seed).integers(-9, 9, (rows, columns)).astype(np.float64)
    first = attention.cheapest(matrix)
    assert first[0] == 0 and (np.diff(first) >= 0).all()
    best = {(-1, -1): 0.0}
    for row in range(rows):
        for column in range(columns):
            before = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
            best[row, column] = matrix[row, column] + min(best.get(one, np.inf) for one in before)
    # Of the ways with these beginnings, a row may or may not share its last column with the next one's first.
    cheapest = np.inf
    for shared in range(2 ** (rows - 1)):
        ends = [first[row + 1] - (0 if shared >> row & 1 else 1) for row in range(rows - 1)] + [columns - 1]
        if all(end >= begin for begin, end in zip(first, ends, strict=True)):
            parts = zip(matrix, first, ends, strict=True)
            cheapest = min(cheapest, sum(row[begin : end + 1].sum() for row, begin, end in parts))
    assert cheapest == pytest.approx(best[rows - 1, columns - 1])
