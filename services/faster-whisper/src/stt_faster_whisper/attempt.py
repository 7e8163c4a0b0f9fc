"""The decodings of one window, from the first to the last that is tried. Pure."""

from dataclasses import dataclass
from typing import Any

from stt_core.audio import SAMPLE_RATE
from stt_core.engine import Segment, Window
from stt_faster_whisper.decoding import TEMPERATURES, Decoding
from stt_faster_whisper.trimming import trimmed


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """What is known of a window that comes once more.

    language: the one it is decoded in; None while more must be heard to tell.
    done: segments before `offset` (seconds), which are settled.
    tried: failed decodings of what follows; empty where a rest is still unread.
    encoded: what follows, encoded in full; None where it is not yet.
    """

    language: str | None = None
    done: tuple[Segment, ...] = ()
    offset: float = 0.0
    tried: tuple[Decoding, ...] = ()
    encoded: Any = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a window is decoded. full: its encoding is not trimmed."""

    temperature: float
    full: bool


def attempts(window: Window, offset: float) -> list[Attempt]:
    """All that are made of a window from `offset` on, one after the other while they fail.

    A trimmed encoding may itself be what went wrong, so it is the first to be doubted.
    """
    asked = window.options.temperature
    ladder = TEMPERATURES if asked is None else (asked,)
    again = ladder if trimmed(len(window.samples) - round(offset * SAMPLE_RATE)) else ladder[1:]
    return [Attempt(ladder[0], full=False), *(Attempt(temperature, full=True) for temperature in again)]
