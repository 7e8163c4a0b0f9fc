"""What speakers are called who are known by number alone. Pure."""

import string

LETTERS = string.ascii_uppercase


def letter(number: int) -> str:
    """A, B, … Z, AA, AB, …: OpenAI's way, with bijective base 26. Numbers count from 0."""
    rest, last = divmod(number, len(LETTERS))
    return (letter(rest - 1) if rest else "") + LETTERS[last]


def label(number: int) -> str:
    """SPEAKER_00, SPEAKER_01, …: pyannote's and WhisperX's way. Numbers count from 0."""
    return f"SPEAKER_{number:02d}"
