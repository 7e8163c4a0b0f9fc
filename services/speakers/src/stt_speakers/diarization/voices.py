"""Voices that are known already, and which of the speakers they are."""

import io
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from stt_core.audio import AudioFile
from stt_core.engine.protocol import Samples, Voice
from stt_core.errors import AudioError, BadRequest
from stt_core.output.speaker_labels import letter
from stt_speakers.diarization.protocol import Diarization, Diarizer, Embedding

FIELD = "known_speaker_references"
SHORTEST, LONGEST = 2, 10
"""Seconds of a clip, as OpenAI's API has them."""
SLACK = 0.1
"""Seconds that an encoder may add or leave out."""
ALIKE = 0.45
"""The cosine from which two voices are one. With the open diarizer on the conversations of
bench/diarization's tuning split, by clips of 2 to 10 s from another of them, some over a telephone: 2 %
of 236 equal pairs are below it and 0.5 % of 2,657 unequal ones above; by clips of the same recording,
none of 68 equal ones and 0.7 % of 135 unequal ones.
"""


def embedded(voice: Voice, diarizer: Diarizer) -> Embedding:
    """The voice of a clip; `diarizer` is loaded. Raises BadRequest for a clip that tells none."""
    found = diarizer.voice(clip(voice))
    if found is None:
        raise _refused(voice, f"holds too little speech; send {SHORTEST} to {LONGEST} seconds of one speaker")
    return found


def matched(diarization: Diarization, known: Sequence[tuple[str, Embedding]]) -> tuple[str, ...]:
    """The names of the speakers by number: that of the known voice, and letters in order for the others.

    Each known voice is one speaker at most: those pairs are taken whose likeness is greatest in sum.
    """
    names: dict[int, str] = {}
    speakers = [number for number, voice in enumerate(diarization.voices) if voice is not None]
    if speakers and known:
        voices = np.stack([voice for voice in diarization.voices if voice is not None])
        likeness = voices @ np.stack([voice for _, voice in known]).T
        # A pair that is not alike counts nothing, so it keeps no other from being found.
        rows, columns = linear_sum_assignment(np.where(likeness < ALIKE, 0, likeness), maximize=True)
        for row, column in zip(rows, columns, strict=True):
            if likeness[row, column] >= ALIKE:
                names[speakers[row]] = known[column][0]
    taken = {name for name, _ in known}
    letters = (name for name in map(letter, range(len(diarization.voices) + len(taken))) if name not in taken)
    return tuple(names.get(number) or next(letters) for number in range(len(diarization.voices)))


def clip(voice: Voice) -> Samples:
    """The samples of its clip. Raises BadRequest for one that cannot be read, or is too short or too long."""
    blocks: list[Samples] = []
    source = AudioFile(io.BytesIO(voice.sample))
    try:
        for block in source.blocks():
            blocks.append(block)
            if source.duration > LONGEST + SLACK:
                raise _refused(voice, f"is longer than {LONGEST} seconds; send {SHORTEST} to {LONGEST}")
    except AudioError as error:
        raise _refused(voice, f"cannot be used. {error.message}") from error
    if source.duration < SHORTEST - SLACK:
        raise _refused(voice, f"is {source.duration:.1f} seconds long; send {SHORTEST} to {LONGEST}")
    return np.concatenate(blocks)


def _refused(voice: Voice, why: str) -> BadRequest:
    return BadRequest(f"The clip of {voice.name!r} in {FIELD} {why.removesuffix('.')}.", param=FIELD)
