"""Services as child processes, for hosts without Docker."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ..entry import ProcessEntry
from ..states import Cause
from .base import End, StartError, ending
from .logfile import LogFile

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""Of autostart's own environment a service gets these and no others."""

LOG_CHECK_SECONDS = 10.0
KILL_SECONDS = 10.0
MAX_ENVIRONMENT_BYTES = 256 * 1024

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SECRET_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)='(.*)'\Z")


class ProcessDriver:
    """Runs a command in its own session, with its output appended to a log file that is kept small.

    If autostart is killed, the kernel kills the command (PR_SET_PDEATHSIG), so no service is left behind.
    """

    def __init__(self, entry: ProcessEntry) -> None:
        self._entry = entry
        self._log = LogFile(entry.log)
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: asyncio.Future[tuple[int, float]] | None = None  # its exit code, and when
        self._log_check: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def running(self) -> bool:
        return self._ended is not None and not self._ended.done()

    async def start(self) -> None:
        # Nothing is awaited here, so that cancelling a start never leaves a process that nobody knows.
        entry = self._entry
        environment = self._environment()
        try:
            log = self._log.open()
        except OSError as error:
            raise StartError(f"its log {entry.log} cannot be written: {error.strerror}") from None
        try:
            process = subprocess.Popen(
                entry.command,
                cwd=entry.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        except OSError as error:
            raise StartError(f"{error.filename or entry.command[0]} cannot be run: {error.strerror}") from None
        except subprocess.SubprocessError:
            raise StartError(f"{entry.command[0]} cannot be run") from None
        finally:
            os.close(log)
        try:
            watch = os.pidfd_open(process.pid)
        except OSError as error:  # no file descriptor left, or a kernel older than 5.3
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
            raise StartError(f"its process cannot be watched: {error.strerror}") from None
        loop = asyncio.get_running_loop()
        self._process = process
        self._ended = loop.create_future()
        loop.add_reader(watch, self._reap, loop, watch, process, self._ended)
        self._log_check = loop.call_later(LOG_CHECK_SECONDS, self._check_log, loop)

    async def ended(self) -> End:
        assert self._ended is not None
        code, at = await asyncio.shield(self._ended)
        status = code if code >= 0 else 128 - code
        return End(Cause(ending(status), self._log.last_line()), clean=not code, at=at, status=status)

    async def stop(self, patience: float) -> None:
        process, ended = self._process, self._ended
        if process is None or ended is None:
            return
        if not ended.done():
            _signal_group(process.pid, signal.SIGTERM)
            await asyncio.wait({ended}, timeout=patience)
        # Also after an orderly end: what the command started must not outlive it.
        _signal_group(process.pid, signal.SIGKILL)
        await asyncio.wait({ended}, timeout=KILL_SECONDS)
        self._process = None
        if self._log_check:
            self._log_check.cancel()

    async def last_words(self) -> str:
        return self._log.last_line()

    async def close(self, patience: float) -> None:
        await self.stop(patience)

    def _environment(self) -> dict[str, str]:
        environment = {key: os.environ[key] for key in INHERITED if key in os.environ}
        environment.update(self._entry.environment)
        if self._entry.environment_file is not None:
            environment.update(read_environment(self._entry.environment_file))
        return environment

    def _check_log(self, loop: asyncio.AbstractEventLoop) -> None:
        self._log.keep_small()
        self._log_check = loop.call_later(LOG_CHECK_SECONDS, self._check_log, loop)

    @staticmethod
    def _reap(
        loop: asyncio.AbstractEventLoop,
        watch: int,
        process: subprocess.Popen[bytes],
        ended: asyncio.Future[tuple[int, float]],
    ) -> None:
        loop.remove_reader(watch)
        os.close(watch)
        ended.set_result((process.wait(), time.time()))


def read_environment(path: Path) -> dict[str, str]:
    r"""The lines KEY='VALUE' of a file of secrets; inside VALUE, \' stands for '. Raises StartError.

    An error names the line, never its content.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_ENVIRONMENT_BYTES + 1)
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartError(f"{path} is not UTF-8 text") from None
    if len(text) > MAX_ENVIRONMENT_BYTES:
        raise StartError(f"{path} is larger than {MAX_ENVIRONMENT_BYTES} bytes")
    environment = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _SECRET_LINE.match(line)
        if match is None or "\0" in line:
            raise StartError(f"{path}, line {number}: is not of the form KEY='VALUE'")
        environment[match[1]] = match[2].replace("\\'", "'")
    return environment


def _die_with_parent() -> Callable[[], None]:
    """What runs in the child before the command: ask to be killed when autostart dies."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: the child must not load anything
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or of another user by now
        os.killpg(group, number)
