"""What the real voice detector finds: the same speech, whatever came before it and however soft it is."""

import numpy as np
import pytest

from stt_core.audio.level import AUDIBLE, FRAME, Level, loudness, raised
from stt_core.audio.vad import VoiceDetector
from stt_core.engine.protocol import Samples
from stt_testing import sounds

RATE = sounds.RATE


@pytest.fixture(scope="module")
def detector() -> VoiceDetector:
    return VoiceDetector()


def speech() -> Samples:
    return sounds.samples(sounds.speech()).astype(np.float32) / np.float32(32768)


def heard(detector: VoiceDetector, samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(detector.stream().probabilities(np.pad(samples, (0, -len(samples) % FRAME))))


def before(kind: str, seconds: int) -> Samples:
    return sounds.unspoken(seconds)[kind].astype(np.float32) / np.float32(32768)


@pytest.mark.parametrize("kind", ["silence", "hum", "white", "pink"])
@pytest.mark.parametrize("seconds", [4, 20, 60, 124])
def test_speech_is_found_whatever_was_before_it(detector: VoiceDetector, kind: str, seconds: int) -> None:
    alone = heard(detector, speech())
    later = heard(detector, np.concatenate([before(kind, seconds), speech()]))[-len(alone) :]
    lost = (alone > 0.5) & (later < 0.35)
    assert lost.sum() <= 4  # an eighth of a second; 60 where the detector never forgets


@pytest.mark.parametrize("decibels", [-40, -50, -60, -80])
def test_quiet_speech_is_found(detector: VoiceDetector, decibels: int) -> None:
    alone = heard(detector, speech())
    quiet = heard(detector, speech() * np.float32(10 ** (decibels / 20)))
    assert ((alone > 0.5) & (quiet < 0.35)).sum() <= 4


@pytest.mark.parametrize("decibels", [0, -40, -80])
@pytest.mark.parametrize("kind", ["silence", "white", "pink", "hum"])
def test_raised_noise_is_no_speech(detector: VoiceDetector, kind: str, decibels: int) -> None:
    noise = before(kind, 60) * np.float32(10 ** (decibels / 20))
    assert heard(detector, noise).max() < 0.5


def test_a_stream_is_heard_the_same_however_it_is_cut(detector: VoiceDetector) -> None:
    file = np.concatenate([before("silence", 8), speech() * np.float32(0.01), before("hum", 8), speech()])
    file = np.pad(file, (0, -len(file) % FRAME))
    stream = detector.stream()
    pieces = [stream.probabilities(file[at : at + 7 * FRAME]) for at in range(0, len(file), 7 * FRAME)]
    assert [one for piece in pieces for one in piece] == list(heard(detector, file))


def test_the_level_falls_slowly_and_rises_at_once() -> None:
    loud, soft = np.zeros((2, 1000, FRAME), np.float32)
    loud[:, ::2], soft[:, ::2] = 0.5, 0.0005
    level = Level()
    assert (level.gains(loud) == 1).all()
    gains = level.gains(soft)
    assert (gains[:60] == 1).all() and gains[-1] > 100
    assert (np.diff(gains) >= 0).all()
    assert (level.gains(loud) == 1).all()


def test_only_what_is_quiet_is_raised_for_the_model() -> None:
    usual = speech()
    assert raised(usual) is usual
    quiet = raised(usual * np.float32(1e-4))
    assert loudness(quiet[: 300 * FRAME].reshape(-1, FRAME)).max() > AUDIBLE
    assert np.corrcoef(quiet, usual)[0, 1] == pytest.approx(1)
    nothing = np.zeros(RATE, np.float32)
    assert raised(nothing) is nothing
