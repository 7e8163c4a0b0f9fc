"""What the engine does with a window, by the real model and without the service around it."""

from dataclasses import replace

import numpy as np
import pytest

from stt_core.audio import SAMPLE_RATE
from stt_core.contract import sounds
from stt_core.engine import Options, Samples, Span, Window, WindowResult
from stt_faster_whisper import alignment, decoding
from stt_faster_whisper.attempt import attempts
from stt_faster_whisper.engine import UNSURE, FasterWhisper


def window(samples: np.ndarray[tuple[int], np.dtype[np.int16]], **asked: object) -> Window:
    values: Samples = samples.astype(np.float32) / np.float32(32768)
    options = Options(segments=False, **asked)  # type: ignore[arg-type]
    return Window(values, (Span(0, len(values)),), options, language=options.language)


def heard(engine: FasterWhisper, one: Window) -> WindowResult:
    """What the engine says in the end."""
    (result,) = engine.run([one])
    while result.again is not None:
        (result,) = engine.run([replace(one, again=result.again)])
    return result


def text(result: WindowResult) -> str:
    return "".join(segment.text for segment in result.segments)


def test_a_failed_window_is_tried_in_full_and_at_every_temperature_alone(
    engine: FasterWhisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "COMPRESSION_RATIO", 0.0)  # every text counts as a loop
    part = window(sounds.samples(sounds.speech())[: 2 * SAMPLE_RATE], language="en", word_times=True)
    first, second = engine.run([part, part])
    tried = 1
    while first.again is not None:
        assert len(first.again.tried) == tried
        again, other = replace(part, again=first.again), replace(part, again=second.again)
        assert len({engine.group(one) for one in (part, again, other)}) == 3
        (first,) = engine.run([again])
        tried += 1
    assert tried == len(attempts(part, 0)) == 1 + len(decoding.TEMPERATURES)
    assert next(word.text for segment in first.segments for word in segment.words) == " And"


def test_logprobs_are_of_the_texts_own_tokens(engine: FasterWhisper) -> None:
    english = window(sounds.samples(sounds.speech()), language="en", logprobs=True)
    russian = window(sounds.spoken("Конференция теперь закрыта.", "ru"), language="ru", logprobs=True)
    results = engine.run([english, russian])
    for result in results:
        found = [one for segment in result.segments for one in segment.logprobs]
        assert b"".join(one.raw for one in found).decode() == text(result)
        assert all(one.logprob <= 0 for one in found)
    sure = [one.logprob for segment in results[0].segments for one in segment.logprobs]
    assert np.mean(sure) > -0.5
    assert sorted(alignment.BYTES.values()) == list(range(256))


def test_translation_is_english_with_its_words_in_order(engine: FasterWhisper) -> None:
    assert engine.capabilities.translation
    french = sounds.spoken("Bonjour. Je voudrais une tasse de thé, s'il vous plaît.", "fr-fr")
    result = heard(engine, window(french, task="translate", word_times=True))
    assert result.language == "fr"
    assert "tea" in text(result)
    words = [word for segment in result.segments for word in segment.words]
    assert "".join(word.text for word in words) == text(result)
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)


def test_only_the_languages_that_may_be_are_heard(engine: FasterWhisper) -> None:
    speech = sounds.samples(sounds.speech())
    assert heard(engine, window(speech)).language == "en"
    assert heard(engine, window(speech, languages=("fr", "en"))).language == "en"
    assert heard(engine, window(speech, languages=("fr", "de"))).language in ("fr", "de")


def test_an_unclear_beginning_waits_for_its_neighbour(engine: FasterWhisper) -> None:
    noise = np.random.default_rng(0).normal(0, 500, SAMPLE_RATE).astype(np.int16)
    unclear, clear = window(noise), window(sounds.samples(sounds.repeated(2)))
    (first,) = engine.run([unclear])
    assert first.again is UNSURE and first.language is None
    again = replace(unclear, again=first.again)
    assert engine.group(again) == engine.group(clear)
    _, second = engine.run([again, clear])
    assert second.language == "en" and "country" in text(second)


def test_hotwords_and_prompt_are_heard(engine: FasterWhisper) -> None:
    name = sounds.spoken("Please ask Ottokar Greffier to come to the phone.")
    assert "Greffier" not in text(heard(engine, window(name, language="en")))
    for field in ("hotwords", "prompt"):
        assert "Greffier" in text(heard(engine, window(name, language="en", **{field: "Ottokar Greffier"})))
