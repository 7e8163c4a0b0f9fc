"""One request on its way through the scheduler."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from stt_core.audio import AudioSource
from stt_core.engine.protocol import Options, Transcript, Window, WindowResult
from stt_core.observability.account import Account, Course, current
from stt_core.scheduling.batch import SMALL, Queue
from stt_core.scheduling.windows import Cut

PATIENCE = 0.3
"""Seconds that decoding may take to show how long a file is; 100 s of audio take about as long."""
GATHERING = 1.0
"""Seconds that it may take to fill a batch where nobody reads the text as it comes."""
AHEAD = 8
"""Windows decoded ahead of inference: a full batch, 15 MB, however long the file is."""


class GivenUp(Exception):
    """The answer that is being made is nobody's any more."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the work after the last forward, such as `diarizing`, and the share of it that is done."""

    name: str
    share: float

    @property
    def shown(self) -> str:
        """In tens of percent: who listens need not hear of every step."""
        return f"{self.name} {int(self.share * 10) * 10}%"


@dataclass(frozen=True, slots=True)
class Heard:
    """A window that is done: the index-th of the file, from 0; [start, end) of the file in samples at 16 kHz."""

    index: int
    start: int
    end: int
    result: WindowResult


@dataclass(eq=False)
class Transcription:
    """What is known of one request; `on_result` is given each result once, in the order of the file, and
    `on_stage` then the stages of the work. `on_heard` is given the windows that were not known before, in the
    order in which they are done.

    Every field but `changed` and `answer` is guarded by `changed`.
    """

    source: AudioSource
    options: Options
    changed: threading.Condition
    on_result: "Callable[[WindowResult], None] | None" = None
    on_stage: "Callable[[Stage], None] | None" = None
    on_heard: "Callable[[Heard], None] | None" = None
    known: Mapping[int, Heard] = field(default_factory=dict)  # heard in an attempt before, by index
    answer: "Future[Transcript]" = field(default_factory=Future)
    waiting: deque[tuple[int, Window]] = field(default_factory=deque)
    results: dict[int, WindowResult] = field(default_factory=dict)
    language: str | None = None
    submitted: float = field(default_factory=time.monotonic)
    account: Account = field(default_factory=current)
    course: Course = field(init=False)
    alone: int = 0  # forwards that it had for itself, since it last shared the engine
    delivered: int = 0  # results that were given to `on_result`
    cut: int = 0  # windows cut so far
    decoded: bool = False  # the whole file is cut
    finishing: bool = False  # a thread of the engine is making its answer
    stage: Stage | None = None  # what `finish` is at
    over: bool = False  # answered, failed or given up

    def __post_init__(self) -> None:
        self.language = self.options.language
        self.course = self.account.begin(self.options.model)
        # An awaiting task that is cancelled would cancel the future too, under the engine's hands.
        self.answer.set_running_or_notify_cancel()

    def put(self, cut: Cut) -> bool:
        """Add the next window; waits for room. False when nobody wants it any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.over or len(self.waiting) < AHEAD)
            if self.over:
                return False
            index, self.cut = self.cut, self.cut + 1
            known = self.known.get(index)
            if known and (known.start, known.end) == (cut.spans[0].start, cut.spans[-1].end):
                self.keep(index, known.result)
            else:
                window = Window(cut.samples, cut.spans, self.options, id(self), before=cut.before, after=cut.after)
                self.waiting.append((index, window))
            self.changed.notify_all()
            return True

    def offered(self) -> Queue[tuple[int, Window]]:
        """The windows that may run now."""
        items = [(index, replace(window, language=self.language, only=self.brief)) for index, window in self.waiting]
        return Queue(items, self.decoded, self.long, self.alone, self.live)

    def keep(self, index: int, result: WindowResult) -> None:
        """A window is done."""
        if not self.options.languages:  # else each window has its own
            self.language = self.language or result.language
        self.results[index] = result
        self.tell()

    def tell(self) -> None:
        """Give `on_result` the results that are next in the file."""
        while self.on_result is not None and self.delivered in self.results:
            self.on_result(self.results[self.delivered])
            self.delivered += 1

    def progressed(self, name: str, share: float) -> None:
        """From the thread that makes the answer. Raises GivenUp when nobody waits for it."""
        with self.changed:
            if self.over:
                raise GivenUp
            before, self.stage = self.stage, Stage(name, min(1.0, max(0.0, share)))
            if self.on_stage is not None and (before is None or before.shown != self.stage.shown):
                self.on_stage(self.stage)

    @property
    def settled(self) -> bool:
        """Enough is decoded to say how large its batches should be, or decoding is slow."""
        wanted, patience = (SMALL + 1, PATIENCE) if self.live else (AHEAD, GATHERING)
        enough = self.decoded or len(self.waiting) >= wanted or self.results
        return bool(enough) or time.monotonic() >= self.submitted + patience

    @property
    def live(self) -> bool:
        """Somebody reads the text as it comes."""
        return self.on_result is not None

    @property
    def brief(self) -> bool:
        """The whole file is one window at most."""
        return self.decoded and self.cut <= 1

    @property
    def long(self) -> bool:
        """It has more than one forward of a few seconds takes."""
        return self.cut > SMALL

    @property
    def complete(self) -> bool:
        """Every window is heard, and nobody makes the answer yet."""
        return self.decoded and len(self.results) == self.cut and not self.finishing
