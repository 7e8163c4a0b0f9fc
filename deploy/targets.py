"""Where a deploy acts: one connection to one host, and the keeper of its long-running programs."""

import contextlib
import fcntl
import getpass
import grp
import hashlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from deploy.errors import HOST, LOCKED, KitError
from deploy.types import Layout


@dataclass(frozen=True)
class FileState:
    """A file as it is on the host."""

    digest: str
    mode: int
    owner: str
    group: str


class Supervisor(Protocol):
    """Keeps nginx and autostart running: systemd on a host, child processes on a laptop."""

    def running(self, unit: str) -> bool: ...
    def start(self, unit: str) -> None: ...
    def reload(self, unit: str) -> None: ...
    def stop(self, unit: str) -> None: ...
    def release(self, unit: str) -> str:
        """What the unit was started from, so that new code shows as a restart."""


class Target(Protocol):
    """One host. Paths are absolute, commands are tuples and never pass a shell."""

    supervisor: Supervisor

    def states(self, paths: Sequence[str]) -> dict[str, FileState]: ...
    def sizes(self, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
        """(size in bytes, time of change in ns) of each path that is there."""

    def read(self, path: str) -> bytes | None: ...
    def write(self, path: str, content: bytes, mode: int, owner: str, group: str) -> None: ...
    def remove(self, path: str) -> None: ...
    def run(self, command: Sequence[str], *, content: str = "", check: bool = True) -> str: ...
    def lines(self, command: Sequence[str], *, content: str = "") -> Iterator[str]: ...
    def lock(self, why: str) -> AbstractContextManager[None]: ...


class LocalTarget:
    """This machine, inside one folder: the host of `runtime: process`."""

    def __init__(self, layout: Layout, supervisor: Supervisor) -> None:
        self.layout = layout
        self.supervisor = supervisor

    def states(self, paths: Sequence[str]) -> dict[str, FileState]:
        """State of each path that is there."""
        found = {}
        for name in paths:
            path = Path(name)
            if path.is_file():
                stat = path.stat()
                found[name] = FileState(
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                    stat.st_mode & 0o7777,
                    _name_of_user(stat.st_uid),
                    _name_of_group(stat.st_gid),
                )
        return found

    def sizes(self, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
        stats = {name: Path(name).stat() for name in paths if Path(name).is_file()}
        return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes, mode: int, owner: str, group: str) -> None:
        """Write atomically: the old file or the new one, never a part."""
        target = Path(path)
        temporary = ""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".greffier-")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                shutil.chown(temporary, owner, group)
            os.replace(temporary, target)
        except OSError as error:
            raise KitError(f"{path} could not be written: {error.strerror}.", code=HOST) from None
        finally:
            if temporary:
                Path(temporary).unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Remove a file, and its folder where nothing else is in it."""
        Path(path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            Path(path).parent.rmdir()

    def run(self, command: Sequence[str], *, content: str = "", check: bool = True) -> str:
        """Standard output of a command. Raises KitError with everything it printed when it fails."""
        try:
            done = subprocess.run(command, input=content, capture_output=True, text=True, errors="replace", check=False)
        except (FileNotFoundError, PermissionError):  # the latter: a folder of PATH that may not be looked into
            raise KitError(f"{command[0]} is not installed on this machine.", code=HOST) from None
        if check and done.returncode:
            raise KitError(
                f"`{command[0]}` failed with status {done.returncode}.", output=done.stdout + done.stderr, code=HOST
            )
        return done.stdout

    def lines(self, command: Sequence[str], *, content: str = "") -> Iterator[str]:
        """Lines of a command's output, as they come. A failing status raises KitError at the end."""
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                assert process.stdin and process.stdout
                process.stdin.write(content)
                process.stdin.close()
                for line in process.stdout:
                    yield line.rstrip("\n")
                if process.wait():
                    errors.seek(0)
                    raise KitError(
                        f"`{command[0]}` failed with status {process.returncode}.", output=errors.read(), code=HOST
                    )
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()

    @contextmanager
    def lock(self, why: str) -> Iterator[None]:
        """Hold the host's lock. Raises KitError (status 5) that names the holder."""
        path = Path(self.layout.var) / ".lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            _acquire(file)
            file.truncate(0)
            holder = {"by": f"{getpass.getuser()}@{socket.gethostname()}", "pid": os.getpid(), "why": why}
            file.write(json.dumps(holder | {"since": int(time.time())}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)


def _acquire(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        try:
            holder = json.loads(file.read())
            age = int(time.time()) - holder["since"]
            who = f"{holder['by']} (process {holder['pid']}, `{holder['why']}`) for {age} s"
        except (ValueError, KeyError):
            who = "another Greffier command"
        raise KitError(f"The host is locked by {who}.", "Wait until it has ended.", code=LOCKED) from None


def _name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _name_of_group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def system_layout() -> Layout:
    """A VPS: Debian's places, the standard ports."""
    return Layout(
        runtime="compose",
        etc="/etc/greffier",
        opt="/opt/greffier",
        var="/var/lib/greffier",
        run="/run/greffier",
        log="/var/log/greffier",
        models="/var/lib/greffier/models",
        nginx_conf="/etc/nginx/conf.d",
        nginx_main="",
        nginx_user="",
        addresses=("0.0.0.0", "[::]"),
        http_port=80,
        https_port=443,
        autostart_port=8890,
        auth_port=8891,
        service_ports=(),
        root="root",
        root_group="root",
        group="greffier",
        www="www-data",
    )


def local_layout(root: Path, models: Path, ports: Mapping[str, int]) -> Layout:
    """One folder of this machine, run by the user who calls."""
    user, group = _name_of_user(os.geteuid()), _name_of_group(os.getegid())
    return Layout(
        runtime="process",
        etc=f"{root}/etc",
        opt=f"{root}/opt",
        var=f"{root}/var",
        run=f"{root}/run",
        log=f"{root}/log",
        models=str(models),
        nginx_conf=f"{root}/etc/nginx/conf.d",
        nginx_main=f"{root}/etc/nginx/nginx.conf",
        nginx_user=f"{user} {group}" if os.geteuid() == 0 else "",
        addresses=("127.0.0.1",),
        http_port=ports.get("http", 8080),
        https_port=ports.get("https", 8443),
        autostart_port=ports.get("autostart", 8890),
        auth_port=ports.get("auth", 8891),
        service_ports=tuple((k[8:], v) for k, v in sorted(ports.items()) if k.startswith("service:")),
        root=user,
        root_group=group,
        group=group,
        www=group,
    )
