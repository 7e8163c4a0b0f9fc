# ruff: noqa: RUF001
"""What the engine does with a window, by the real model and without the service around it."""

from dataclasses import replace

import numpy as np
import pytest

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Options, Samples, Span, Stretch, Window, WindowResult
from stt_ctranslate2.engine import FasterWhisper
from stt_testing import sounds
from stt_testing.asserts import plain
from stt_whisper import decoding
from stt_whisper.tokens import BYTES
from stt_whisper.windowed import UNSURE


def window(samples: np.ndarray[tuple[int], np.dtype[np.int16]], **asked: object) -> Window:
    values: Samples = samples.astype(np.float32) / np.float32(32768)
    options = Options(**asked)  # type: ignore[arg-type]
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
    assert sorted(BYTES.values()) == list(range(256))


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
    speech = np.concatenate([sounds.samples(sounds.speech()), np.zeros(13 * SAMPLE_RATE, np.int16)])
    unclear, clear = window(noise), window(speech)
    alone = heard(engine, unclear)
    assert alone.language != "en"
    heard_in = (Stretch(0, len(speech), Span(0, 11 * SAMPLE_RATE)),)
    unclear, clear = replace(unclear, only=False), replace(clear, only=False, spans=heard_in)
    (first,) = engine.run([unclear])
    assert first.again is UNSURE and first.language is None
    again = replace(unclear, again=first.again)
    assert engine.group(again) == engine.group(clear)
    _, second = engine.run([again, clear])
    assert second.language == "en"
    if second.again is not None:
        second = heard(engine, replace(clear, again=second.again))
    assert "country" in text(second)


def test_hotwords_and_prompt_are_heard(engine: FasterWhisper) -> None:
    names = ["Kubernetes", "Traefik", "Proxmox"]
    speech = sounds.spoken("We deployed it with Kubernetes and Traefik on Proxmox.")
    assert not all(name in text(heard(engine, window(speech, language="en"))) for name in names)
    for field in ("hotwords", "prompt"):
        asked = {field: ", ".join(names)}
        assert all(name in text(heard(engine, window(speech, language="en", **asked))) for name in names)


GREEK = """Το πρωί ο γραμματέας έφτασε στο δικαστήριο πριν από όλους και άφησε το τετράδιό του πάνω στο
τραπέζι. Του άρεσε η ησυχία της μεγάλης αίθουσας, τα παράθυρα που ήταν ακόμα σκοτεινά και η
μυρωδιά του ξύλου. Όταν μπήκε ο δικαστής, είχε ήδη γράψει την ημερομηνία και τα ονόματα των
μαρτύρων. Έξω έβρεχε και οι άνθρωποι περίμεναν με τις ομπρέλες τους μπροστά στην πόρτα. Κανείς δεν
μιλούσε, γιατί όλοι ήξεραν ότι η υπόθεση ήταν δύσκολη."""
"""Read at 190 words a minute, a window of it has more tokens than Whisper writes at once."""


def test_a_text_that_breaks_off_at_its_limit_is_gone_on_with(engine: FasterWhisper) -> None:
    speech = sounds.spoken(GREEK + " " + GREEK, "el", words_per_minute=190)[: 29 * SAMPLE_RATE]
    result = heard(engine, window(speech, language="el"))
    assert result.segments[-1].end > 28
    assert sum(len(segment.tokens) for segment in result.segments) > 224


def test_a_window_is_heard_the_same_alone_and_in_a_batch(engine: FasterWhisper) -> None:
    speech = sounds.samples(sounds.speech())
    windows = [window(part, language="en") for part in (speech, speech[: 9 * SAMPLE_RATE])]
    assert len({engine.group(one) for one in windows}) == 1
    together = engine.run(windows)
    assert [one.segments for one in together] == [engine.run([one])[0].segments for one in windows]


def test_quiet_speech_is_written_down_like_loud(engine: FasterWhisper) -> None:
    loud = window(sounds.samples(sounds.speech()), language="en")
    quiet = replace(loud, samples=loud.samples * np.float32(1e-4))
    assert text(heard(engine, quiet)).endswith("ask what you can do for your country.")
