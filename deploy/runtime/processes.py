"""nginx and autostart as background processes of this machine, found again by their pid files."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import HOST, KitError
from deploy.program_output import last_line, sentence, untraced
from deploy.render import nginx
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.types import Layout

START_SECONDS = 10
STOP_SECONDS = 40
KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""Of the operator's environment what runs on gets these. The secrets that the inventory takes from there, a token of
the hub among them, are no business of what outlives the command."""


@dataclass(frozen=True)
class Unit:
    """A long-running program. `mark` is an argument that only its own process has."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mark: str
    daemonizes: bool
    ready: str
    """File that is there once it serves."""
    reload: tuple[str, ...]
    release: str


def find_nginx() -> str:
    """Path of nginx; /usr/sbin is not on every user's PATH. Raises KitError where there is none."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not found:
        raise KitError("nginx is not installed on this machine.", "Install it: apt-get install nginx-light", code=HOST)
    return found


def nginx_command(layout: Layout) -> tuple[str, ...]:
    return (find_nginx(), "-c", layout.nginx_main, "-p", layout.var, "-e", f"{layout.log}/nginx-error.log")


def nginx_version() -> tuple[int, ...]:
    """Version of this machine's nginx, such as (1, 26, 3); empty where there is none, or it does not say."""
    try:
        done = subprocess.run((find_nginx(), "-v"), capture_output=True, check=False)
    except KitError:
        return ()
    return nginx.version(done.stderr.decode(errors="replace"))


class LocalSupervisor:
    """Starts units in sessions of their own, so that they outlive the command that deployed them."""

    def __init__(self, layout: Layout, units: Mapping[str, Unit]) -> None:
        self.layout = layout
        self.units = units

    def _pid_file(self, unit: str) -> Path:
        return Path(self.layout.run) / f"{unit}.pid"

    def pid(self, unit: str) -> int:
        """Its process, 0 where it does not run. A pid that another program has got by now is not taken for it."""
        try:
            pid = int(self._pid_file(unit).read_text(encoding="utf-8"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            return 0
        return pid if self.units[unit].mark in words else 0

    def running(self, unit: str) -> bool:
        return self.pid(unit) != 0

    def standing(self, units: Sequence[str]) -> Asking[dict[str, str]]:
        return asking.known({unit: self._release(unit) for unit in units if self.running(unit)})

    def _release(self, unit: str) -> str:
        try:
            return (Path(self.layout.run) / f"{unit}.release").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def check(self) -> None:
        """Raise KitError with nginx's words where it refuses its configuration."""
        done = subprocess.run((*nginx_command(self.layout), "-t"), capture_output=True, check=False)
        if done.returncode:
            raise KitError("nginx rejects its configuration.", output=done.stderr.decode(errors="replace"))

    def nginx(self) -> Asking[tuple[tuple[int, ...], str]]:
        return asking.known((nginx_version(), self.layout.www))

    def start(self, unit: str) -> None:
        """Start, anew where it runs, and wait until it serves. Raises KitError with the end of its log."""
        self.stop(unit)
        wanted = self.units[unit]
        log = Path(self.layout.log) / f"{unit}.log"
        for folder in (self.layout.run, self.layout.log, f"{self.layout.var}/nginx"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        Path(wanted.ready).unlink(missing_ok=True)
        with log.open("ab") as output:
            began = output.tell()
            process = subprocess.Popen(
                wanted.command,
                env={name: os.environ[name] for name in KEPT if name in os.environ} | dict(wanted.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
        if wanted.daemonizes:
            process.wait()
        else:
            self._pid_file(unit).write_text(str(process.pid), encoding="utf-8")
        until = time.monotonic() + START_SECONDS
        while not (Path(wanted.ready).exists() and self.running(unit)):
            if (process.poll() is not None and not (wanted.daemonizes and process.returncode == 0)) or (
                time.monotonic() > until
            ):
                if process.poll() is None:
                    process.kill()
                raise _not_started(unit, log, began)
            time.sleep(0.02)
        (Path(self.layout.run) / f"{unit}.release").write_text(wanted.release, encoding="utf-8")

    def reload(self, unit: str) -> None:
        done = subprocess.run(
            self.units[unit].reload,
            capture_output=True,
            env={**os.environ, **self.units[unit].environment},
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise KitError(f"{unit} did not load its new configuration.", output=said, code=HOST)

    def stop(self, unit: str) -> None:
        """End it politely, then firmly; returns when it is gone."""
        pid = self.pid(unit)
        # nginx ends at once on TERM; what a deploy must not cut is in autostart, which drains.
        for each in (*([pid] if pid else []), *self.orphans(unit)):
            _end(each)
        self._pid_file(unit).unlink(missing_ok=True)

    def orphans(self, unit: str) -> list[int]:
        """Workers of a daemon whose main process was killed: they hold its ports, and go on serving. They are known
        by their program and by the log that they write to."""
        if not self.units[unit].daemonizes:
            return []
        program = os.path.realpath(self.units[unit].command[0])
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "exe") != program:
                    continue
                open_files = {os.readlink(link) for link in (process / "fd").iterdir()}
            except OSError:  # of another user, or gone
                continue
            if any(path.startswith(f"{self.layout.log}/{unit}") for path in open_files):
                found.append(int(process.name))
        return found


def _end(pid: int) -> None:
    """End a process and wait until it is gone. A handle, unlike a number, is never another process's by then."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], STOP_SECONDS)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [])
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    with contextlib.suppress(ChildProcessError):  # a child of this very process stays a zombie until it is waited for
        os.waitpid(pid, os.WNOHANG)


def _not_started(unit: str, log: Path, began: int) -> KitError:
    """What to tell, with what a program logged since `began` (bytes): nginx's first emergency, or the last line."""
    try:
        said = untraced(log.read_bytes()[began:].decode(errors="replace"))
    except OSError:
        said = ""
    grave = [line for line in said.splitlines() if "[emerg]" in line]
    why = last_line(grave[0] if grave else said)
    return KitError(sentence(f"{unit} did not start", why), f"Its log: {log}", output=said, code=HOST)
