"""What the engine does with a window, by the real model and without the service around it."""

from dataclasses import replace

import numpy as np
import pytest

from stt_core.audio import SAMPLE_RATE
from stt_core.contract import sounds
from stt_core.contract.asserts import plain
from stt_core.engine import Options, Samples, Span, Window, WindowResult
from stt_faster_whisper import alignment, decoding
from stt_faster_whisper.engine import FasterWhisper
from stt_faster_whisper.windowed import UNSURE


def window(samples: np.ndarray[tuple[int], np.dtype[np.int16]], **asked: object) -> Window:
    values: Samples = samples.astype(np.float32) / np.float32(32768)
    options = Options(segments=False, **asked)  # type: ignore[arg-type]
    return Window(values, (Span(0, len(values)),), options, language=options.language, only=True)


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
    assert tried == 1 + len(decoding.TEMPERATURES)
    assert plain(next(word.text for segment in first.segments for word in segment.words)) == "and"


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
    spanish = sounds.spoken("Buenos días. La conferencia empieza mañana a las diez.", "es")
    result = heard(engine, window(spanish, task="translate", word_times=True))
    assert result.language == "es"
    assert {"conference", "tomorrow"} <= set(plain(text(result)).split())
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
    speech = np.concatenate([sounds.samples(sounds.speech()), np.zeros(5 * SAMPLE_RATE, np.int16)])
    unclear, clear = window(noise), window(speech)
    alone = heard(engine, unclear)
    assert alone.language != "en"
    unclear, clear = replace(unclear, only=False), replace(clear, only=False)
    (first,) = engine.run([unclear])
    assert first.again is UNSURE and first.language is None
    again = replace(unclear, again=first.again)
    assert engine.group(again) == engine.group(clear)
    _, second = engine.run([again, clear])
    assert second.language == "en" and "country" in text(second)


def test_hotwords_and_prompt_are_heard(engine: FasterWhisper) -> None:
    names = ["Kubernetes", "Traefik", "Proxmox"]
    speech = sounds.spoken("We deployed it with Kubernetes and Traefik on Proxmox.")
    assert not all(name in text(heard(engine, window(speech, language="en"))) for name in names)
    for field in ("hotwords", "prompt"):
        asked = {field: ", ".join(names)}
        assert all(name in text(heard(engine, window(speech, language="en", **asked))) for name in names)
