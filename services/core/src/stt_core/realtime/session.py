"""A transcription session: what follows from what the client says, what is heard and what was decoded. Pure.

Every method answers with what is to be done, in order. A turn is what becomes an item: from where somebody
begins to speak to the end of the silence after it, or whatever the client commits. It is decoded in parts.
The last part is decoded as soon as there is a pause; the result is told once that pause was the end.
"""

import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from stt_core.audio import SAMPLE_RATE
from stt_core.audio.vad import FRAME
from stt_core.engine.protocol import Logprob, Options, Span, WindowResult
from stt_core.errors import ApiError, BadRequest
from stt_core.realtime import events
from stt_core.realtime.codecs import Pcm16
from stt_core.realtime.events import Event
from stt_core.realtime.settings import MILLISECOND, SessionSettings, described
from stt_core.realtime.tape import Tape
from stt_core.realtime.turns import Began, Ended, Mark, Paused, Resumed, Settled, Turns

SHORTEST = SAMPLE_RATE // 10
"""Samples; less than this is not worth an item, as in OpenAI's API."""
BUFFER_SECONDS = 600
"""What a client that commits by itself may have waiting."""


@dataclass(frozen=True, slots=True)
class Send:
    """Tell the client."""

    event: Event


@dataclass(frozen=True, slots=True, eq=False)
class Decode:
    """Submit these 16 bit samples at 16 kHz; what comes of them goes to `heard` and `answered`."""

    part: int
    samples: bytes
    options: Options


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody wants the text of this part any more."""

    part: int


Effect = Send | Decode | Drop


@dataclass(eq=False)
class Part:
    """One request to the engine. settled: its text belongs to the turn, whatever follows."""

    number: int
    settled: bool
    untold: list[WindowResult] = field(default_factory=list)
    done: bool = False


@dataclass(eq=False)
class Turn:
    """An item in the making.

    start: its first sample. rest: the first sample that is in no settled part.
    parts: those that are not told whole. logprobs: None where nobody asked.
    seconds: of its audio, once it is committed.
    """

    item: str
    start: int
    rest: int
    parts: list[Part] = field(default_factory=list)
    text: str = ""
    logprobs: list[Logprob] | None = None
    error: ApiError | None = None
    seconds: float | None = None


class Session:
    """options: what the settings ask of the engine; None where nothing is to be transcribed."""

    def __init__(self, identity: str, settings: SessionSettings, options: Options | None) -> None:
        self.id = identity
        self.settings = settings
        self._options = options
        self._tape = Tape()
        self._listened = 0  # the end of the last frame that the voice detector judged
        self._turns = _turns(settings, 0)
        self._turn: Turn | None = None
        self._parts: dict[int, Turn] = {}  # where the answers that are awaited belong
        self._line: deque[Turn] = deque()  # turns whose text is not told whole, as they were spoken
        self._numbers = count(1)
        self._previous: str | None = None

    @property
    def waiting(self) -> int:
        """Parts that are being decoded or wait for it."""
        return len(self._parts)

    def created(self) -> list[Effect]:
        return [Send(self._described("session.created"))]

    def update(self, settings: SessionSettings, options: Options | None) -> list[Effect]:
        effects = self.end() if settings.turns is None else []
        self.settings, self._options = settings, options
        if settings.turns is None or self._turns is None:
            self._turns = _turns(settings, self._listened)
        else:
            self._turns.rules = settings.turns
        return [*effects, Send(self._described("session.updated"))]

    def clear(self) -> list[Effect]:
        effects = self._dropped(settled=True)
        self._forget(self._tape.end)
        return [*effects, Send(events.cleared())]

    def commit(self) -> list[Effect]:
        """Raises BadRequest where there is next to nothing to commit."""
        start = self._tape.start if self._turn is None else self._turn.start
        if self._tape.end - start < SHORTEST:
            milliseconds = (self._tape.end - start) / MILLISECOND
            raise BadRequest(
                "The buffer is too small to commit: it takes at least 100 ms of audio, "
                f"and holds {milliseconds:.2f} ms.",
                code="input_audio_buffer_commit_empty",
            )
        return self._close(self._turn or self._open(start))

    def end(self) -> list[Effect]:
        """Commit the turn that is open, if there is one."""
        return [] if self._turn is None else self._close(self._turn)

    def room(self, seconds: float) -> bool:
        """Whether so much more audio may come before a commit."""
        held = (self._tape.end - self._tape.start) / SAMPLE_RATE
        return self._turns is not None or held + seconds <= BUFFER_SECONDS

    def hear(self, samples: Pcm16, probabilities: Sequence[float]) -> list[Effect]:
        """More audio, and the probability of speech in each whole FRAME that it completes."""
        self._tape.add(samples)
        self._listened += len(probabilities) * FRAME
        if self._turns is None:
            return []
        effects = [effect for mark in self._turns.push(probabilities) for effect in self._follow(mark)]
        self._tape.forget(self._turns.keep_from)
        return effects

    def heard(self, number: int, result: WindowResult) -> list[Effect]:
        """The next result of a part; all of them come before its answer."""
        turn = self._parts.get(number)
        if turn is None:
            return []
        next(part for part in turn.parts if part.number == number).untold.append(result)
        return list(self._told())

    def answered(self, number: int, error: ApiError | None) -> list[Effect]:
        """A part is decoded, or cannot be."""
        turn = self._parts.pop(number, None)
        if turn is None:
            return []
        next(part for part in turn.parts if part.number == number).done = True
        turn.error = turn.error or error
        return list(self._told())

    # Turns

    def _follow(self, mark: Mark) -> Iterator[Effect]:
        if isinstance(mark, Began):
            self._turn = self._open(mark.at)
            yield Send(events.speech_started(self._turn.item, mark.at // MILLISECOND))
            return
        turn = self._turn
        assert turn is not None, "every mark but the first is of a turn"
        match mark:
            case Paused(at):
                yield from self._decode(turn, at, settled=False)
            case Resumed():
                yield from self._dropped(settled=False)
            case Settled(at):
                yield from self._told() if self._confirm(turn) else self._decode(turn, at, settled=True)
                turn.rest = at
            case Ended(at):
                yield Send(events.speech_stopped(turn.item, at // MILLISECOND))
                self._confirm(turn)
                yield from self._committed(turn, at)

    def _open(self, start: int) -> Turn:
        logprobs: list[Logprob] | None = [] if self.settings.logprobs else None
        turn = Turn(f"item_{uuid.uuid4().hex[:24]}", start, start, logprobs=logprobs)
        self._line.append(turn)
        return turn

    def _decode(self, turn: Turn, end: int, *, settled: bool) -> Iterator[Effect]:
        """What was said since the last settled part."""
        if self._options is None or end <= turn.rest:
            return
        part = Part(next(self._numbers), settled)
        turn.parts.append(part)
        self._parts[part.number] = turn
        yield Decode(part.number, self._tape.cut(Span(turn.rest, end)), self._options)

    def _confirm(self, turn: Turn) -> bool:
        """Settle the part that was decoded at the last pause; whether there is one."""
        found = bool(turn.parts) and not turn.parts[-1].settled
        if found:
            turn.parts[-1].settled = True
        return found

    def _close(self, turn: Turn) -> list[Effect]:
        """The turn ends with what was heard so far."""
        effects = [] if self._confirm(turn) else list(self._decode(turn, self._tape.end, settled=True))
        effects += self._committed(turn, self._tape.end)
        self._forget(self._tape.end)
        return effects

    def _committed(self, turn: Turn, end: int) -> Iterator[Effect]:
        turn.seconds = (end - turn.start) / SAMPLE_RATE
        for event in events.committed(turn.item, self._previous):
            yield Send(event)
        self._previous, self._turn = turn.item, None
        if self._options is None and not turn.parts:
            self._line.remove(turn)
        yield from self._told()

    def _dropped(self, *, settled: bool) -> list[Effect]:
        """Give up what was decoded on trial; with `settled`, all of the open turn."""
        if self._turn is None:
            return []
        if settled:
            self._line.remove(self._turn)
        gone = [part for part in self._turn.parts if settled or not part.settled]
        self._turn.parts = [part for part in self._turn.parts if part not in gone]
        return [Drop(part.number) for part in gone if self._parts.pop(part.number, None)]

    def _forget(self, before: int) -> None:
        self._tape.forget(before)
        self._turn = None
        if self._turns is not None:
            self._turns.reset()

    # Text

    def _told(self) -> Iterator[Effect]:
        """What can be told by now, in the order in which it was spoken."""
        while self._line:
            turn = self._line[0]
            yield from self._of(turn)
            if turn.parts or turn.seconds is None:
                return
            self._line.popleft()
            if turn.error is not None:
                yield Send(events.failed(turn.item, turn.error))
            else:
                yield Send(events.completed(turn.item, turn.text, turn.seconds, turn.logprobs))

    def _of(self, turn: Turn) -> Iterator[Effect]:
        """The text of the parts of a turn that are settled and decoded."""
        while turn.parts and turn.parts[0].settled:
            yield from self._deltas(turn, turn.parts[0])
            if not turn.parts[0].done:
                return
            del turn.parts[0]

    def _deltas(self, turn: Turn, part: Part) -> Iterator[Effect]:
        results, part.untold = part.untold, []
        for result in results:
            text = "".join(segment.text for segment in result.segments)
            text = text if turn.text else text.lstrip()
            if not text:
                continue
            logprobs = None if turn.logprobs is None else _logprobs(result)
            turn.text += text
            if turn.logprobs is not None:
                turn.logprobs += logprobs or []
            yield Send(events.delta(turn.item, text, logprobs))

    def _described(self, kind: str) -> Event:
        return {"type": kind, "session": described(self.settings, self.id)}


def _turns(settings: SessionSettings, at: int) -> Turns | None:
    return None if settings.turns is None else Turns(settings.turns, at)


def _logprobs(result: WindowResult) -> list[Logprob]:
    return [one for segment in result.segments for one in segment.logprobs]
