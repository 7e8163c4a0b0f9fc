"""One connection to an agent: over SSH to a host, or to a child process on this machine."""

import contextlib
import io
import re
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from deploy import host as programs
from deploy.errors import HOST, KitError
from deploy.host import frames
from deploy.program_output import last_line, readable, sentence, untraced
from deploy.types import Secret

T = TypeVar("T")

PING_SECONDS = 5.0
"""Well within the silence after which the agent takes the laptop for dead."""
FAREWELL = 10.0
"""Seconds that the agent has to end the step it is at and to give the lock back, after Ctrl-C."""

LOGIN = 180.0
"""Seconds for the agent to be there: a server waits two minutes for a login (sshd_config(5), LoginGraceTime), in which
somebody may be typing a passphrase."""
PATIENCE = 60.0
"""Seconds for the agent to be there when something has spoken: then the login is done."""
MOST_NOISE = 1 << 16
"""Bytes that may come before the agent's own."""
SHOWN = 20
"""Lines of it that are shown."""
LINE = 1 << 10
"""Bytes that are searched for a refusal each time something comes."""
REFUSED = re.compile(rb"[Pp]lease log ?in as .*\n")
"""What speaks like this runs nothing else, and waits before it ends: the providers' images do so for root."""

AGAIN = "Run the command again: it continues where it was interrupted."
SILENCE = "Something in .bashrc or .profile on the host may be printing output: it has to be silent."
STUCK = (
    "Try `ssh {name} true`: it should return at once. Something in .bashrc may wait for input, or authorized_keys may "
    "force a command for your key."
)

WINDOW = 8
"""Parts of a command's input that may be under way: enough for a long line, little for the host's memory."""


class Lost(KitError):
    """The connection ended. `said` is what ssh or the agent wrote to standard error, `noise` what something else on the
    host said in the agent's place."""

    def __init__(self, message: str, hint: str = AGAIN, *, said: str = "", noise: str = "") -> None:
        whole = f"{noise}\n{said}".strip()
        shown = whole if "\n" in whole else ""
        super().__init__(sentence(message, last_line(untraced(whole))), hint, code=HOST, output=shown)
        self.said, self.noise = said, noise


@dataclass(frozen=True)
class Question:
    """One operation of the agent's."""

    op: str
    about: Mapping[str, Any]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What the agent said to a question, up to its end."""

    events: Sequence[tuple[Mapping[str, Any], bytes]]

    def done(self) -> tuple[Mapping[str, Any], bytes]:
        """The last of it. Raises Refusal."""
        head, content = self.events[-1]
        if head["event"] == "refused":
            raise Refusal(head)
        return head, content

    def printed(self, name: str, *, check: bool = True) -> str:
        """Standard output of a command. Raises KitError with everything it printed when it fails."""
        status = self.done()[0]["status"]
        if check and status:
            said = b"".join(line for _, line in self.events).decode(errors="replace")
            raise KitError(f"`{name}` failed with status {status}.", output=said)
        return b"".join(line for head, line in self.events if head.get("stream") == 1).decode(errors="replace")


class Connection:
    """Sends one operation at a time and keeps the agent assured that somebody is there. It is being made when this
    returns; the first operation waits for it."""

    def __init__(self, command: Sequence[str], name: str, *, password: Secret | None = None) -> None:
        self.name = name
        # It lives as long as the connection.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Ctrl-C is for us, and the agent ends when we do; ssh keeps the terminal, to ask for a passphrase.
            preexec_fn=_ignore_interrupt,
        )
        assert self._process.stdin and isinstance(self._process.stdout, io.BufferedReader)
        self._sink, self._source = self._process.stdin, self._process.stdout
        self._greeted = False
        self._facts: Mapping[str, Any] = {}
        self.rounds = 0
        """How often something was asked: each costs the way there and back."""
        self._saying = threading.Lock()
        self._closed = threading.Event()
        with contextlib.suppress(OSError):  # who asks first learns why it ended
            if password is not None:
                self._sink.write(password.reveal().encode() + b"\n")
            self._sink.write(programs.opened("agent"))
            # Its answer comes with the agent's first word: nobody waits for it another time.
            frames.send(self._sink, {"op": "hello"})
        threading.Thread(target=self._ping, name=f"ping {name}", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; the agent ends with it."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._sink.close()
        self._process.terminate()
        self._process.wait()
        self._source.close()
        self._errors.close()

    def abort(self) -> None:
        """End it from another thread, or in the middle of an answer; whoever waits for one gets Lost. Returns when the
        host has given up what it did, or does not answer."""
        self._end()

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the agent says of the host: system, version, Python, memory in bytes, user, time. Raises KitError."""
        if not self._greeted:
            self._orderly(self._greet)
        return self._facts

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """The answer to each question, in one round trip. Raises Lost when the host is gone."""
        for question in questions:
            self._send({"op": question.op, **question.about}, question.body)
        self.rounds += 1
        return [self._answer() for _ in questions]

    def _answer(self) -> Answer:
        events = []
        while True:
            head, content = self._next()
            events.append((head, content))
            if head["event"] in ("done", "refused"):
                return Answer(events)

    def ask(self, op: str, body: bytes = b"", **about: Any) -> tuple[dict[str, Any], bytes]:
        """The answer to an operation. Raises KitError when it is refused, Lost when the host is gone."""
        answer: tuple[dict[str, Any], bytes] | None = None
        for head, content in self._exchange(op, body, about):
            answer = (head, content)
        assert answer is not None
        return answer

    def stream(
        self, command: Sequence[str], body: bytes | Iterator[bytes] = b"", **about: Any
    ) -> Iterator[tuple[int, bytes]]:
        """(stream, line with its end) of a command as they come; at the end (0, its status). `body` is its standard
        input; of one in parts only a few are under way at a time."""
        about = {"command": list(command), **about}
        events = self._exchange("run", body, about) if isinstance(body, bytes) else self._feed(body, about)
        for head, content in events:
            if head["event"] == "done":
                yield 0, str(head["status"]).encode()
                return
            try:
                yield head["stream"], content
            except GeneratorExit:  # what still comes must not be taken for the answer to the next question
                self._end()
                raise

    def lines(
        self, command: Sequence[str], body: bytes | Iterator[bytes] = b"", **about: Any
    ) -> Iterator[tuple[int, str]]:
        """The same as text, each line without its end."""
        for stream, line in self.stream(command, body, **about):
            yield stream, line.decode(errors="replace").rstrip("\n")

    def _exchange(self, op: str, body: bytes, about: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bytes]]:
        self._send({"op": op, **about}, body)
        self.rounds += 1
        done = False
        while not done:
            head, content = self._receive()
            done = head["event"] == "done"
            yield head, content

    def _feed(self, parts: Iterator[bytes], about: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Run a command that reads `parts`. Where they fail its input ends there, and the failure is raised when it
        has ended too."""
        self._send({"op": "run", "fed": True, **about})
        self.rounds += 1
        failure: KitError | None = None
        under_way, more, done = 0, True, False
        while not done:
            while more and under_way < WINDOW:
                try:
                    part = next(parts, b"")
                except KitError as error:
                    failure, part = error, b""
                self._send({"op": "feed"}, part)
                more, under_way = bool(part), under_way + 1
            head, content = self._receive()
            done = head["event"] == "done"
            if head["event"] == "fed":
                under_way -= 1
            elif failure is None:
                yield head, content
        if failure:
            raise failure

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        head, content = self._next()
        if head["event"] == "refused":
            raise Refusal(head)
        return head, content

    def _next(self) -> tuple[dict[str, Any], bytes]:
        if not self._greeted:
            self._orderly(self._greet)
        return self._orderly(lambda: frames.receive(self._source))

    def _orderly(self, heard: Callable[[], T]) -> T:
        """What is heard of the agent. Raises Lost where something else speaks, or nobody does."""
        try:
            return heard()
        except ValueError:
            self._end()
            raise Lost(f"{self.name} sends what Greffier does not understand", SILENCE.format(name=self.name)) from None
        except (frames.Ended, OSError):
            raise self._lost() from None

    def _greet(self) -> None:
        self._skip_noise()
        head = frames.receive(self._source)[0]
        if head["event"] == "refused":
            raise Refusal(head)
        self._facts = head

    def _skip_noise(self) -> None:
        """Read up to the agent's first word: what comes before is something else's. Raises Lost where it does not
        come in time."""
        noise, left, end = bytearray(), 0, time.monotonic() + LOGIN
        while not noise.endswith(frames.HELLO):
            refused = REFUSED.search(noise, max(0, len(noise) - LINE))
            if refused or len(noise) > MOST_NOISE:
                raise self._unheard(bytes(noise), stuck=True)
            if not left and not select.select([self._source], [], [], max(0.0, end - time.monotonic()))[0]:
                raise self._unheard(bytes(noise), stuck=True)
            there = self._source.peek(1)
            if not there:
                raise self._unheard(bytes(noise), stuck=False)
            if not noise:
                end = time.monotonic() + PATIENCE
            size = there.find(b"\n") + 1 or len(there)
            noise += self._source.read(size)
            left = len(there) - size
        self._greeted = True

    def _unheard(self, noise: bytes, *, stuck: bool) -> Lost:
        if stuck:
            self._process.terminate()
        said = self._lost().said
        heard = "\n".join(readable(noise.decode(errors="replace")).splitlines()[-SHOWN:])
        if not stuck:
            return Lost(f"The connection to {self.name} ended", said=said, noise=heard)
        hint = STUCK.format(name=self.name)
        return Lost(
            f"{self.name} accepts the connection, but does not run Greffier's agent", hint, said=said, noise=heard
        )

    def _send(self, head: dict[str, Any], body: bytes = b"") -> None:
        try:
            with self._saying:
                frames.send(self._sink, head, body)
        except (OSError, ValueError):
            if not self._greeted and not self._closed.is_set():
                self._skip_noise()
            raise self._lost() from None

    def _ping(self) -> None:
        while not self._closed.wait(PING_SECONDS):
            try:
                with self._saying:
                    frames.send(self._sink, {"op": "ping"})
            except (OSError, ValueError):  # who asks next is told
                return

    def _lost(self) -> Lost:
        self._end()
        self._errors.seek(0)
        return Lost(f"The connection to {self.name} ended", said=self._errors.read().strip())

    def _end(self) -> None:
        """The agent ends when nothing more comes to it; what is not the agent may not."""
        self._closed.set()
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # the last: in the middle of a frame
            self._sink.close()
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Refusal(KitError):
    """The host did not do an operation; `head` has what the agent said."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        super().__init__(sentence(str(head["message"])), code=HOST)
        self.head = head
