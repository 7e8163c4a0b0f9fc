"""The tests, their parts side by side where the machine allows it: `python -m tests [--full] [PART ...]`.

Each part has a session of its own, and a time that only what hangs can take: then it prints where its threads stand,
and is ended. All run even where one fails.
"""

import argparse
import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.parts import FETCH, PARTS, Part, full

MEMORY = 5_000_000_000
"""Bytes that must be free for each part that runs: the largest takes most of it."""

LAST_LINES = 80
"""What is said again at the end of a part that failed: pytest tells there which test failed, and of what."""

GRACE = 60.0
"""Seconds for the last words of a part that is ended, and for what it has to put away."""

# Properties are tried on the same examples in every run, so that no change fails by chance; run by hand, pytest looks
# for new ones. A Python that is aborted says where its threads stand.
ENVIRONMENT = {
    "PYTEST_ADDOPTS": f"--hypothesis-profile=ci {os.environ.get('PYTEST_ADDOPTS', '')}".strip(),
    "PYTHONFAULTHANDLER": "1",
}


def side_by_side() -> int:
    """How many parts at a time: one for each core, where memory allows it."""
    with contextlib.suppress(OSError, ValueError):
        words = Path("/proc/meminfo").read_text().split()
        free = int(words[words.index("MemAvailable:") + 1]) * 1024
        return max(1, min(len(os.sched_getaffinity(0)), free // MEMORY))
    return 1


class Runner:
    """Runs parts, and tells what they say behind their names."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._last: dict[str, deque[str]] = {}
        self._stopped = False

    def run(self, part: Part) -> bool:
        """Whether it passed."""
        with self._lock:
            if self._stopped:
                return False
            process = subprocess.Popen(
                part.command,
                cwd=part.folder,
                env={**os.environ, **ENVIRONMENT, **part.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        begun = time.monotonic()
        self._say(part, "begins")
        reader = threading.Thread(target=self._pass_on, args=(part, process), daemon=True)
        reader.start()
        status = None
        try:
            status = process.wait(60 * part.minutes)
        except subprocess.TimeoutExpired:
            self._say(part, f"hangs: it has run for {part.minutes:g} minutes and is ended. Its threads stand here:")
            send(process, signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        send(process, signal.SIGKILL)  # whatever it left
        process.wait()
        reader.join(GRACE)
        with self._lock:
            self._running.discard(process)
        self._say(part, f"{'passed' if status == 0 else 'FAILED'} in {time.monotonic() - begun:.0f} s")
        return status == 0

    def stop(self) -> None:
        """Ctrl-C for what runs, and its end where it does not take its leave; nothing else begins."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            send(process, signal.SIGINT)
        for process in running:
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                send(process, signal.SIGKILL)

    def _pass_on(self, part: Part, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self._say(part, line.rstrip("\n"))

    def _say(self, part: Part, text: str) -> None:
        line = f"{part.name:{self._width}} | {text}"
        with self._lock:
            self._last.setdefault(part.name, deque(maxlen=LAST_LINES)).append(line)
            print(line, flush=True)

    def say_again(self, part: Part) -> None:
        """The last lines of a part that failed: the others have long pushed them out of sight."""
        with self._lock:
            print("", *self._last.get(part.name, ()), sep="\n", flush=True)


def send(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """To it and to all that it started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def main(words: Sequence[str]) -> int:
    reading = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    reading.add_argument("--full", action="store_true", help="the long ones too, and the engines as other processors")
    reading.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    asked = reading.parse_args(words)
    if unknown := [name for name in asked.part if name not in PARTS]:
        reading.error(f"there is no part {' '.join(unknown)}. The parts are {', '.join(PARTS)}.")
    names = asked.part or list(PARTS)
    parts = list(full(names)) if asked.full else [PARTS[name] for name in names]

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # A shell starts what runs in the background with Ctrl-C ignored, and nohup ignores that the terminal is closed.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    runner = Runner(max(len(part.name) for part in parts))
    if any(part.models for part in parts) and not runner.run(FETCH):
        return 1
    with ThreadPoolExecutor(side_by_side()) as pool:
        try:
            passed = list(pool.map(runner.run, parts))
        except KeyboardInterrupt:
            runner.stop()
            raise
    failed = [part for part, good in zip(parts, passed, strict=True) if not good]
    if len(parts) > 1:
        for part in failed:
            runner.say_again(part)
    print(f"FAILED: {'; '.join(part.name for part in failed)}" if failed else "Every test passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
