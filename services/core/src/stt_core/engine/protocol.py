"""What an engine is, and the values that pass between it and the core.

Times are seconds, audio is float32 mono at 16 kHz of shape (samples,).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE, AudioSource

Samples = NDArray[np.float32]
NOTHING: Samples = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the loaded model can do; what is asked beyond it is refused with a sentence.

    languages: ISO 639 codes, as Whisper names them.
    word_times: words with start and end.
    prompt, hotwords: text that steers the decoding.
    translation: into English.
    logprobs: of the tokens of the text.
    speakers: who said what.
    workers: forwards that may run at the same time, each in its own thread.
    apart: `finish` may take long and runs in a thread of its own, beside the forwards of other requests.
    """

    languages: tuple[str, ...]
    word_times: bool = False
    prompt: bool = False
    hotwords: bool = False
    translation: bool = False
    logprobs: bool = False
    speakers: bool = False
    workers: int = 1
    apart: bool = False


Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class VadOptions:
    """How speech is told from silence.

    threshold: the probability from which a frame counts as speech.
    silence: seconds without speech that end a stretch of it.
    padding: seconds kept before and after one, at most 10.
    """

    threshold: float = 0.5
    silence: float = 0.16
    padding: float = 0.4


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker who is known already: a name, and some seconds of that voice in any audio format."""

    name: str
    sample: bytes


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """How speakers are told apart.

    min_speakers, max_speakers: how many there are, where that is known; equal for an exact number.
    required: fail where it cannot be told who spoke; else the transcript comes without speakers and says so
        in its warnings.
    """

    min_speakers: int | None = None
    max_speakers: int | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """What one request asks of the engine.

    model: a name that the service has; empty for its default.
    task: `translate` gives English, whatever is spoken.
    language: None to detect it.
    languages: those that may be spoken, where `language` is None; empty for any.
    temperature: None for 0 with fallback to higher ones where the decoding failed.
    logprobs: the segments shall have them.
    speakers: the segments shall say who spoke, told apart in this way; `voices` are known.
    vad: None for the service's own.
    """

    model: str = ""
    task: Task = "transcribe"
    language: str | None = None
    languages: tuple[str, ...] = ()
    prompt: str = ""
    hotwords: str = ""
    temperature: float | None = None
    word_times: bool = False
    logprobs: bool = False
    speakers: SpeakerOptions | None = None
    voices: tuple[Voice, ...] = ()
    vad: VadOptions | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file, [start, end) in samples at 16 kHz."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Stretch(Span):
    """A span and where in it somebody is `heard`; around that are margins.

    begun, ended: False where it was cut off at its start or its end while somebody spoke.
    """

    heard: Span
    begun: bool = True
    ended: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """At most 30 s of speech: the spans of the file that it holds, joined without the silence between them.

    request: equal for the windows of one request.
    language: the request's, or the one detected in its first window. None: to be detected now, in the
        first window of the request, for all of its windows in this forward.
    only: the file has no other window.
    before, after: what is heard at a cut in the middle of speech on its other side, some seconds, for an engine that
        hears a word better in its surroundings. Empty where the window begins or ends in a pause.
    again: what the engine left with an earlier result of this window that it wants decoded once more.
    """

    samples: Samples
    spans: tuple[Span, ...]
    options: Options
    request: Hashable = None
    language: str | None = None
    only: bool = False
    before: Samples = field(default_factory=lambda: NOTHING)
    after: Samples = field(default_factory=lambda: NOTHING)
    again: Any = None

    @property
    def speech(self) -> tuple[tuple[float, float], ...]:
        """Where in it somebody is heard, as (start, end) in seconds; in order."""
        found: list[tuple[float, float]] = []
        before = 0
        for span in self.spans:
            heard = span.heard if isinstance(span, Stretch) else span
            start, end = (min(max(at, span.start), span.end) - span.start + before for at in (heard.start, heard.end))
            if found and found[-1][1] * SAMPLE_RATE >= start:
                found[-1] = (found[-1][0], end / SAMPLE_RATE)
            elif end > start:
                found.append((start / SAMPLE_RATE, end / SAMPLE_RATE))
            before += span.length
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Word:
    """One word, as it is written in the segment (with its leading space where the language has one).

    speaker: as in Segment.
    """

    text: str
    start: float
    end: float
    probability: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token of the text with its natural log probability; `raw` are its bytes, maybe part of a letter."""

    raw: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A few seconds of text. `seek` is the start of its window in the file, in frames of 10 ms.

    speaker: who spoke, where that was asked for and the engine can tell.
    language: the one it was heard in; a file may have several.
    """

    start: float
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0
    words: tuple[Word, ...] = ()
    seek: int = 0
    logprobs: tuple[Logprob, ...] = ()
    speaker: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What the engine heard in one window; times count from the window's own start.

    language: None where nobody spoke, and none was asked for: that of the file is still to be heard.
    language_probability: how sure the engine is of it, where it has heard it now and can tell.
    again: not None when the window must be decoded once more; it is then run with this value in
    `Window.again`, and the segments of this result are dropped.
    """

    language: str | None
    segments: tuple[Segment, ...] = ()
    again: Any = None
    language_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The whole answer to one request. language is None where nobody spoke and none was asked for.

    warnings: sentences about what was asked for and could not be done.
    """

    language: str | None
    duration: float
    segments: tuple[Segment, ...] = field(default=())
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def told_apart(self) -> bool:
        """Its segments say who spoke."""
        return any(segment.speaker is not None for segment in self.segments)


Progress = Callable[[str, float], None]
"""Told of a stage of the work (aligning, diarizing) and the share of it that is done, from 0 to 1."""


class Engine(Protocol):
    """A model that turns windows of speech into text.

    One thread owns it and makes every call; with more `workers`, that many may call `group`, `run` and
    `finish` at the same time.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do. Right after `load`."""

    def load(self, model: str) -> None:
        """Read the model's files. Raises StartError with a sentence; never downloads anything."""

    def group(self, window: Window) -> Hashable:
        """Windows of equal groups may share one forward, whichever requests they come from."""

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        """One forward over windows of one group; a result for each, in order."""

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        """What needs the whole file; `results` are in order, their times count from the file's start.

        The text stays as it is in the results: a client who streams has read it.
        """


def join(audio: AudioSource, results: Sequence[WindowResult], options: Options) -> Transcript:
    """The transcript of an engine for which the windows, one after the other, are the whole answer."""
    language = options.language or next((result.language for result in results if result.language), None)
    segments = tuple(segment for result in results for segment in result.segments)
    return Transcript(language, audio.duration, segments)
