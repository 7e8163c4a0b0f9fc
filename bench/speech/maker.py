"""Speech to measure with: the bundled recording, and paragraphs read by several voices of espeak-ng.

`python -m bench.speech.maker FOLDER SECONDS…` writes FOLDER/<SECONDS>.wav, 16 kHz mono. It runs in the services'
environment, which has PyAV and numpy.
"""

import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
RECORDING = Path(__file__).parent.parent.parent / "examples" / "jfk.wav"
PAUSE_SECONDS = 0.6

VOICES = (("en-us", 165), ("en-gb", 150), ("en-us+f3", 175), ("en-gb-x-rp", 160), ("en-gb-scotland", 145))
"""espeak-ng's voices, with words a minute. One more or less than there are paragraphs, so that pairs change."""

PARAGRAPHS = (
    """The clerk came in before the judges, as he had done every morning for thirty years, and laid out his pens
    in a row. Nobody looked at him. He did not mind, because a man who is not looked at hears more than anybody
    else in the room, and hearing was what he was paid for.""",
    """On the first of March the harbour was frozen from the old lighthouse to the new bridge. Forty-two boats
    lay side by side, and the children walked across them to school. When the ice broke, eleven days later, the
    noise was so great that the church bells could not be heard on the other bank.""",
    """To bake this bread you need four cups of flour, one spoon of salt, a little yeast, and patience. Mix
    everything in the evening, cover the bowl with a cloth, and leave it on the kitchen table until breakfast. The
    dough will be soft and full of bubbles. Fold it twice, let it rest, and put it into a very hot oven.""",
    """Good afternoon, and thank you for calling. Your order was sent on Tuesday and should have arrived by now.
    May I ask for the number on the letter? Seven, nine, three, zero, five. Yes, I can see it here. The parcel is
    waiting at the post office in Station Road, where you can collect it until six o'clock.""",
    """Astronomers have watched this star for more than a century. Every five years it grows dim for about two
    months, as if somebody had drawn a curtain. The best explanation is a companion, wrapped in a disk of dust, which
    passes in front of it. If that is right, the next eclipse will begin in the spring.""",
    """My grandmother never learned to write, yet she kept the accounts of the whole village in her head. She
    knew who had borrowed a ladder, who had paid for the mill, and who still owed her a dozen eggs from the year of
    the flood.""",
)


def main() -> int:
    folder, lengths = Path(sys.argv[1]), [int(text) for text in sys.argv[2:]]
    samples = spoken(max(lengths))
    for seconds in lengths:
        write(folder / f"{seconds}.wav", samples[: seconds * SAMPLE_RATE])
    return 0


def spoken(seconds: int) -> NDArray[np.int16]:
    """At least so many seconds of speech, of shape (samples,): the recording first, and again now and then."""
    parts: list[NDArray[np.int16]] = []
    length = 0
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.int16)
    pieces = _pieces()
    while length < seconds * SAMPLE_RATE:
        parts += [next(pieces), pause]
        length += len(parts[-2]) + len(pause)
    return np.concatenate(parts)


def _pieces() -> Iterator[NDArray[np.int16]]:
    recording = read(RECORDING)
    for number, ((voice, speed), text) in enumerate(zip(cycle(VOICES), cycle(PARAGRAPHS), strict=False)):
        if number % len(PARAGRAPHS) == 0:
            yield recording
        yield read_aloud(text, voice, speed)


@cache
def read_aloud(text: str, voice: str, speed: int) -> NDArray[np.int16]:
    """A paragraph by a voice of espeak-ng; speed in words a minute."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ("espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), " ".join(text.split()))
        subprocess.run(command, check=True)
        return read(path)


def read(path: Path, form: str | None = None) -> NDArray[np.int16]:
    """A sound file as shape (samples,), 16 kHz mono. form: of a file without a head, as FFmpeg names it."""
    resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path), format=form) as container:
        frames = [out for frame in (*container.decode(audio=0), None) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def write(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())


if __name__ == "__main__":
    sys.exit(main())
