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


LABELS = {letter(number): label(number) for number in range(1000)}
"""Engines name speakers by letters, WhisperX by numbers."""


def labelled(speaker: str) -> str:
    """SPEAKER_00 for A, and so on; a known name as it is."""
    return LABELS.get(speaker, speaker)


def introduced(speaker: str | None, text: str) -> str:
    """A text with its speaker before it, as WhisperX writes text, subtitles and tables."""
    return text if speaker is None else f"{introduction(speaker)}{text}"


def introduction(speaker: str) -> str:
    return f"[{labelled(speaker)}]: "
