"""The laptop's hands on a host: files, commands and the lock, over one connection.

Frames come in on standard input, one operation at a time; their answers go out on standard output. While the
lock is held the laptop must be heard of every HEARTBEAT seconds. When it is not, or the connection ends, the
running command's process group is ended (a short one that must be whole has time to finish, and files that are being
put in place are put there), what the laptop asked for in this case is done, and the lock is given back: so no two
applies ever overlap, and a laptop that died does not hold a host.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from deploy.host import files, frames
from deploy.host.files import Head, Refused
from deploy.host.mistakes import told

HEARTBEAT = 30.0  # seconds
KILL_AFTER = 5.0  # seconds between TERM and KILL of a command that is ended
WHOLE = 15.0  # seconds that a command which must be whole has to finish; with the rest, within the heartbeat
ANSWER_LIMIT = 1 << 20  # bytes of a server's answer


class Agent:
    """Carries out operations in the order they come; a second thread listens, so that silence is noticed."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source = source
        self._sink = sink
        self._heard = time.monotonic()
        self._lock: IO[str] | None = None
        self._running: subprocess.Popen[bytes] | None = None
        self._whole = False
        self._input: queue.SimpleQueue[bytes] | None = None
        self._placing = threading.Lock()
        self._afterwards: dict[str, list[str]] = {}
        self._operations: dict[str, Callable[[Head, bytes], Head | None]] = {
            "hello": self._hello,
            "survey": self._survey,
            "read": self._read,
            "write": self._write,
            "folders": self._folders,
            "remove": self._remove,
            "run": self._run,
            "lock": self._take_lock,
            "unlock": self._give_lock,
            "holder": self._holder,
            "afterwards": self._promise,
            "fetch": self._fetch,
        }

    def serve(self) -> int:
        """Until the connection ends."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=self._abandon).start())
        inbox: list[tuple[Head, bytes]] = []
        changed = threading.Condition()

        def listen() -> None:
            while True:
                try:
                    head, body = frames.receive(self._source)
                except (frames.Ended, ValueError, OSError):
                    self._abandon()
                self._heard = time.monotonic()
                if head["op"] == "feed":
                    given = self._input
                    if given is not None:  # else its reader has ended
                        given.put(body)
                elif head["op"] != "ping":
                    if head.get("fed"):
                        self._input = queue.SimpleQueue()
                    with changed:
                        inbox.append((head, body))
                        changed.notify()

        threading.Thread(target=listen, name="listen", daemon=True).start()
        while True:
            with changed:
                changed.wait_for(lambda: bool(inbox))
                head, body = inbox.pop(0)
            self._do(head, body)

    def _do(self, head: Head, body: bytes) -> None:
        try:
            answer = self._operations[head["op"]](head, body) or {}
        except Refused as refusal:
            self._say({"event": "refused", **refusal.args[0]})
        except OSError as error:
            what = error.filename or head.get("path") or head["op"]
            self._say({"event": "refused", "message": f"{what}: {error.strerror or error}"})
        except Exception as error:  # a mistake of ours, which must not look like a lost connection
            self._say({"event": "refused", "message": f"{head['op']} failed on the host: {told(error)}"})
        else:
            content = answer.pop("content", b"")
            self._say({"event": "done", **answer}, content)

    def _say(self, head: Head, body: bytes = b"") -> None:
        try:
            frames.send(self._sink, head, body)
        except OSError:
            self._abandon()

    # Silence. -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            time.sleep(0.5)
            if time.monotonic() - self._heard > HEARTBEAT:
                self._abandon()

    def _abandon(self) -> None:
        """End the running command, do what was promised, and end this process: the kernel gives the lock back."""
        self._placing.acquire(timeout=WHOLE)
        process = self._running
        if process is not None and self._whole:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(WHOLE)
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(KILL_AFTER)
                os.killpg(process.pid, signal.SIGKILL)
        for command in self._afterwards.values():
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=KILL_AFTER,
                )
        os._exit(1)

    def _promise(self, head: Head, body: bytes) -> None:
        """A command to run if the laptop is lost; none takes the promise back."""
        self._afterwards.pop(head["name"], None)
        if head["command"]:
            self._afterwards[head["name"]] = head["command"]

    # Files. ---------------------------------------------------------------------------------------

    def _hello(self, head: Head, body: bytes) -> Head:
        release = {}
        with contextlib.suppress(OSError):
            for line in Path("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, value = line.partition("=")
                release[name] = value.strip('"')
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return {
            "user": files.user(os.geteuid()),
            "uid": os.geteuid(),
            "system": release.get("ID", ""),
            "version": release.get("VERSION_ID", ""),
            "codename": release.get("VERSION_CODENAME", ""),
            "python": ".".join(map(str, sys.version_info[:3])),
            "memory": memory,
            "ipv6": _ipv6(),
            "machine": os.uname().machine,
            "time": time.time(),
        }

    def _survey(self, head: Head, body: bytes) -> Head:
        return files.survey(head)

    def _read(self, head: Head, body: bytes) -> Head:
        path = Path(head["path"])
        return {"there": True, "content": path.read_bytes()} if path.is_file() else {"there": False}

    def _write(self, head: Head, body: bytes) -> None:
        with self._placing:
            files.write(head, body)

    def _folders(self, head: Head, body: bytes) -> None:
        files.folders(head)

    def _remove(self, head: Head, body: bytes) -> None:
        with self._placing:
            files.remove(head)

    # Commands. ------------------------------------------------------------------------------------

    def _run(self, head: Head, body: bytes) -> Head:
        """Run a command in a process group of its own; what it prints goes out as it comes."""
        command = head["command"]
        if head.get("program"):
            # A program of this very archive, in a process of its own.
            command = [head.get("python") or sys.executable, sys.argv[0], head["program"]]
        with contextlib.ExitStack() as undo:
            undo.callback(setattr, self, "_input", None)
            given: IO[bytes] | int = subprocess.PIPE
            if not head.get("fed"):
                given = undo.enter_context(tempfile.TemporaryFile())
                given.write(body)
                given.seek(0)
            try:
                process = subprocess.Popen(
                    command,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=head.get("cwd"),
                    env={**os.environ, **head.get("environment", {})},
                    start_new_session=True,
                    pass_fds=_archive(),
                )
            except (FileNotFoundError, PermissionError):  # the latter: a folder of PATH that may not be looked into
                raise Refused(
                    {"message": f"{command[0]} is not installed on the host.", "missing": command[0]}
                ) from None
            self._whole, self._running = bool(head.get("whole")), process
            assert process.stdout and process.stderr
            threads = [threading.Thread(target=self._forward, args=(process.stderr, 2), daemon=True)]
            if process.stdin and self._input:
                threads.append(threading.Thread(target=self._feed, args=(process.stdin, self._input), daemon=True))
            for thread in threads:
                thread.start()
            self._forward(process.stdout, 1)
            status = process.wait()
            if self._input:
                self._input.put(b"")  # what still comes is for nobody
            for thread in threads:
                thread.join()
            self._running = None
            return {"status": status}

    def _feed(self, sink: IO[bytes], given: queue.SimpleQueue[bytes]) -> None:
        """Pass on what the laptop sends, until an empty part; each is told of when it was taken, so that few wait."""
        with contextlib.suppress(BrokenPipeError), sink:
            while part := given.get():
                with contextlib.suppress(BrokenPipeError):  # it has ended: the rest is for nobody
                    sink.write(part)
                    sink.flush()
                with _SAYING:
                    self._say({"event": "fed"})

    def _forward(self, stream: IO[bytes], number: int) -> None:
        for line in stream:
            with _SAYING:
                self._say({"event": "line", "stream": number}, line)

    def _fetch(self, head: Head, body: bytes) -> Head:
        """GET from a server of this host, by the name that its clients use."""
        # Here, since most agents end without it, and every one shall start fast.
        import http.client
        import ssl

        with contextlib.ExitStack() as undo:
            plain = undo.enter_context(socket.create_connection(("127.0.0.1", head["port"]), timeout=head["seconds"]))
            connection = http.client.HTTPConnection(head["name"])
            if head.get("tls"):
                # Whether the certificate is trusted is for clients to say; here the question is who answers.
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                connection.sock = undo.enter_context(context.wrap_socket(plain, server_hostname=head["name"]))
            else:
                connection.sock = plain
            connection.request("GET", head["path"], headers={"Host": head["name"]})
            try:
                response = connection.getresponse()
                return {"status": response.status, "content": response.read(ANSWER_LIMIT)}
            except http.client.HTTPException as error:
                raise Refused({"message": f"{head['name']} gave no answer: {error!r}"}) from None

    # The lock. ------------------------------------------------------------------------------------

    def _take_lock(self, head: Head, body: bytes) -> None:
        """An flock, so that the kernel gives it back whatever becomes of this process."""
        path = Path(head["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file)
            file.close()
            raise Refused({"message": "locked", "holder": holder}) from None
        file.seek(0)
        file.truncate(0)
        file.write(json.dumps({**head["who"], "since": time.time(), "pid": os.getpid()}))
        file.flush()
        self._lock = file

    def _give_lock(self, head: Head, body: bytes) -> None:
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def _holder(self, head: Head, body: bytes) -> Head:
        """Who holds the lock, and for how long; nobody where it could be taken."""
        path = Path(head["path"])
        if not path.exists():
            return {"holder": None}
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return {"holder": _holder(file)}
        return {"holder": None}


def _ipv6() -> bool:
    """Whether programs here can listen on IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


_SAYING = threading.Lock()  # two threads speak while a command runs


def _archive() -> tuple[int, ...]:
    """The descriptor that this very archive is read from, for programs that are run out of it."""
    head, _, number = sys.argv[0].rpartition("/")
    return (int(number),) if head == "/proc/self/fd" else ()


def _holder(file: IO[str]) -> Head:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        return {**holder, "age": time.time() - holder["since"]}
    except (ValueError, KeyError):
        return {}


def _settle() -> None:
    """What a login leaves in the environment is for a person: here programs speak English and UTF-8, since what they
    say is read, and Compose goes by the files that it is given."""
    os.environ["LC_ALL"] = "C.UTF-8"
    for name in [name for name in os.environ if name == "LANGUAGE" or name.startswith("COMPOSE_")]:
        del os.environ[name]


def main() -> int:
    os.umask(0o022)
    _settle()
    sys.stdout.buffer.write(frames.HELLO)
    sys.stdout.buffer.flush()
    return Agent(sys.stdin.buffer, sys.stdout.buffer).serve()
