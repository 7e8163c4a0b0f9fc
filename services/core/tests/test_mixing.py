"""One channel of all: nobody is lost, and what needs no help is mixed as ever."""

import io

import numpy as np
import pytest
from hearing import heard, spans, tone
from numpy.typing import NDArray

from stt_core.audio import AudioFile, RawPcm
from stt_core.audio.mixing import Everything, Mono
from stt_testing import hostile, sounds
from stt_testing.films import Track, film

RATE = sounds.RATE
CHANCE = np.random.default_rng(0)


def speech() -> Mono:
    return sounds.samples(sounds.speech()).astype(np.float32) / np.float32(32768)


def mixed(channels: NDArray[np.float32], names: list[str], piece: int = 64_000) -> Mono:
    """channels: of shape (channels, samples)."""
    mix = Everything(names)
    parts = [mix.add(channels.T[at : at + piece]) for at in range(0, channels.shape[1], piece)]
    return np.concatenate([*parts, mix.end()])


def spectrum(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """The energy of each band of a kilohertz in each 50 ms, in dB."""
    frames = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    energy = np.abs(np.fft.rfft(frames * np.hanning(800), axis=1)) ** 2
    bands = energy[:, 6:400].reshape(len(frames), -1, 2).sum(2)
    found: NDArray[np.float64] = 10 * np.log10(bands + 1e-6)
    return found


def same(one: NDArray[np.float32], other: NDArray[np.float32], decibels: float) -> bool:
    """Whether two sounds are alike where the second is loud, but for their phase."""
    assert len(one) == len(other)
    first, second = spectrum(one), spectrum(other)
    loud = second > second.max() - 40
    return bool(np.median(np.abs(first[loud] - second[loud])) < decibels)


def test_what_is_in_phase_is_mixed_as_ever() -> None:
    voice, other = speech(), np.roll(speech(), 40_000)
    for left, right in ((voice, voice), (voice, 0 * voice), (0 * voice, voice), (voice, other)):
        assert np.array_equal(mixed(np.stack([left, right]), ["FL", "FR"]), (left + right) / 2)
    noise = CHANCE.normal(0, 0.1, (2, 20 * RATE)).astype(np.float32)
    assert np.allclose(mixed(noise, ["NONE", "NONE"]), noise.mean(0), atol=1e-6)


@pytest.mark.parametrize("level", [1.0, 0.001, 0.0001])
def test_antiphase_stereo_is_heard_as_loud_as_it_is(level: float) -> None:
    voice = speech() * np.float32(level)
    assert np.abs(voice - voice).max() == 0
    found = mixed(np.stack([voice, -voice]), ["FL", "FR"])
    assert same(found * np.float32(1 / level), voice * np.float32(1 / level), 1)


def test_an_inverted_side_that_is_quieter_or_noisy_loses_nothing() -> None:
    voice = speech()
    for part in (0.5, 0.8, 1.0):
        noise = CHANCE.normal(0, 1e-3, len(voice)).astype(np.float32)
        found = mixed(np.stack([voice, -np.float32(part) * voice + noise]), ["FL", "FR"])
        assert same(found, voice * np.float32((1 + part) / 2), 3)


def test_somebody_in_phase_and_somebody_against_it_are_both_heard() -> None:
    """Left is one plus other, right is one minus other: their sum loses one, their difference the other."""
    one, other = np.zeros((2, 8 * RATE), np.float32)
    one[: 4 * RATE] = tone(600, 4) / np.float32(32768)
    other[2 * RATE : 6 * RATE] = tone(1_500, 4) / np.float32(32768)
    found = mixed(np.stack([one + other, one - other]), ["FL", "FR"])
    assert spans(found, 600)[0][0] == pytest.approx(0, abs=0.05)
    assert spans(found, 1_500)[-1][1] == pytest.approx(6, abs=0.05)
    # Once the second was alone, ten seconds follow in which he is heard beside the first.
    again = np.tile(np.stack([one + other, one - other]), 2)
    both = np.abs(np.fft.rfft(mixed(again, ["FL", "FR"])[int(10.5 * RATE) : int(11.5 * RATE)]))
    assert both[1_500] > 0.9 * both[600] > 0


def test_the_difference_comes_and_goes_without_a_seam() -> None:
    hum = (0.2 * np.sin(2 * np.pi * 300 * np.arange(30 * RATE) / RATE)).astype(np.float32)
    right = hum.copy()
    right[5 * RATE : 8 * RATE] *= -1
    found = mixed(np.stack([hum, right]), ["FL", "FR"])
    edges = [5 * RATE, 8 * RATE]
    calm = np.ones(len(found) - 1, bool)
    for edge in edges:  # where the sound itself is inverted at once
        calm[edge - 200 : edge + 200] = False
    steps = np.abs(np.diff(found))[calm]
    assert steps.max() < 1.2 * np.abs(np.diff(hum)).max()
    frames = np.abs(found[: len(found) // 800 * 800]).reshape(-1, 800).max(1)
    assert frames[2:-2].min() > 0.19


@pytest.mark.parametrize(
    ("names", "speaking"),
    [
        (["NONE"] * 3, 2),
        (["FL", "FR", "LFE"], 2),
        (["FL", "FR", "FC", "LFE", "BL", "BR"], 3),
        (["FL", "FR", "FC", "LFE", "BL", "BR"], 5),
        (["NONE"] * 8, 7),
        (["AMBI0", "AMBI1", "AMBI2", "AMBI3"], 0),
    ],
)
def test_whoever_speaks_on_one_channel_alone_is_heard(names: list[str], speaking: int) -> None:
    channels = np.zeros((len(names), 11 * RATE), np.float32)
    channels[speaking] = speech()
    found = mixed(channels, names)
    gain = np.sqrt((found**2).sum() / (speech() ** 2).sum())
    assert gain > 0.85 / len(names)
    assert same(found / np.float32(gain), speech(), 1)


def test_a_pair_of_many_channels_that_cancels_is_heard() -> None:
    for count in (3, 4, 6, 12):
        for first in range(count - 1):
            channels = np.zeros((count, 4 * RATE), np.float32)
            channels[first], channels[first + 1] = speech()[: 4 * RATE], -speech()[: 4 * RATE]
            found = mixed(channels, ["NONE"] * count)
            assert np.sqrt((found**2).sum() / (channels[first] ** 2).sum()) > 0.4 / count


def test_a_rumble_does_not_bring_in_the_low_frequency_channel() -> None:
    voice = speech()
    rumble = (0.5 * np.sin(2 * np.pi * 40 * np.arange(len(voice)) / RATE)).astype(np.float32)
    found = mixed(np.stack([voice, voice, rumble]), ["FL", "FR", "LFE"])
    assert np.allclose(found, voice, atol=1e-6)


@pytest.mark.parametrize("piece", [1, 399, 16_000, 10**6])
def test_how_a_sound_is_cut_into_pieces_changes_nothing(piece: int) -> None:
    voice = speech()[: 2 * RATE if piece == 1 else None]
    channels = np.stack([voice, np.where(np.arange(len(voice)) < RATE, voice, -voice)])
    whole, cut = mixed(channels, ["FL", "FR"]), mixed(channels, ["FL", "FR"], piece)
    assert len(cut) == len(voice) and np.allclose(whole, cut, atol=1e-5)


ENCODED = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "webm": ("webm", "libopus"),
    "m4a": ("ipod", "aac"),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_antiphase_survives_its_encoding(kind: str) -> None:
    container, codec = ENCODED[kind]
    voice = sounds.samples(sounds.speech())
    found = heard(film(container, Track(np.stack([voice, -voice], 1), codec, layout="stereo")))
    alone = heard(film(container, Track(voice, codec)))
    assert same(found[: len(alone)], alone[: len(found)], 3)


def test_what_lies_at_minus_80_decibels_survives() -> None:
    """Of 24 bit and of floats; 16 bit would leave three steps of it."""
    voice = np.tile(speech(), 2) * np.float32(1e-4)
    wide = np.round(voice.astype(np.float64) * 2**23).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
    for file in (
        hostile.riff(RATE, 1, 24, wide.tobytes()),
        hostile.riff(RATE, 1, 32, voice.astype("<f4").tobytes(), tag=hostile.FLOAT),
    ):
        found = heard(file)
        noise = np.sqrt(((found - voice) ** 2).mean() / (voice**2).mean())
        assert noise < 1e-2  # 16 bit has 0.6


def test_floats_that_are_too_loud_are_turned_down_as_a_whole() -> None:
    voice = np.tile(speech(), 2)
    for gain in (4.0, 1e6):
        file = hostile.riff(RATE, 1, 32, (voice * np.float32(gain)).astype("<f4").tobytes(), tag=hostile.FLOAT)
        found = heard(file)
        assert 0.5 < np.abs(found).max() <= 1
        # Each block of four seconds has a level of its own; within one, the wave is what it was.
        for at in range(RATE, len(voice) - 4 * RATE, 4 * RATE):
            part, was = found[at : at + RATE], voice[at : at + RATE]
            assert np.corrcoef(part, was)[0, 1] > 0.999


def test_numbers_that_are_none_are_silence() -> None:
    voice = speech()
    voice[RATE : RATE + 10] = np.nan
    voice[2 * RATE : 2 * RATE + 10] = np.inf
    found = heard(hostile.riff(RATE, 1, 32, voice.astype("<f4").tobytes(), tag=hostile.FLOAT))
    assert np.isfinite(found).all() and np.abs(found).max() <= 1
    assert np.corrcoef(found[3 * RATE :], voice[3 * RATE :])[0, 1] > 0.999


def test_more_channels_than_can_be_mixed_are_refused_with_the_reason() -> None:
    from stt_core.errors import AudioError

    with pytest.raises(AudioError, match="65 channels"):
        list(AudioFile(io.BytesIO(hostile.riff(RATE, 65, 16, hostile.tone(4)))).blocks())
    assert len(heard(hostile.riff(RATE, 64, 16, hostile.tone(64)))) == RATE


def test_bare_samples_are_as_loud_as_in_a_file() -> None:
    file = sounds.speech()
    bare = np.concatenate(list(RawPcm(io.BytesIO(sounds.samples(file).tobytes())).blocks()))
    assert np.array_equal(bare, heard(file))
