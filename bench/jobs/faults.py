"""What fails: the process, killed two hundred times under load; the disk, full; the network, cut for two minutes."""

import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench.jobs import service
from bench.jobs.receiver import receiving
from bench.path.host import SERVICES, environment
from bench.report import Figure, Goal
from deploy import ROOT
from deploy.reporting import Reporter

KILLS = 200
CLIENTS = 4
CUT_SECONDS = 120.0
DISK_BYTES = 80 << 20
"""Of the disk that is filled: the service keeps 64 MiB of it free."""
TESTING = os.pathsep.join([service.CODE, f"{ROOT}/services/testing/src"])


def kills(folder: Path, report: Reporter) -> Iterator[Figure]:
    """Every job that was accepted has to end once, and its end to be told under one id."""
    audio = service.recording()
    accepted: dict[str, str] = {}
    uncertain = 0
    stop = threading.Event()
    current: list[service.Served] = []
    lock = threading.Lock()

    def load(client: int) -> None:
        nonlocal uncertain
        number = 0
        while not stop.is_set():
            number += 1
            message = f"{client}-{number}"
            while not stop.is_set():  # until it is answered, as a client has to
                try:
                    status, answer = current[-1].submit(message, audio)
                except (OSError, ValueError, IndexError):
                    with lock:
                        uncertain += 1
                    time.sleep(0.05)
                    continue
                if status == 200:
                    with lock:
                        accepted[message] = answer["job_id"]
                    break
                time.sleep(0.05)
            time.sleep(0.02)

    with receiving() as receiver, report.step(f"Killing the service {KILLS} times under load") as bar:
        settings = {"STT_WEBHOOK_URL": receiver.url}
        clients = [threading.Thread(target=load, args=(each,), daemon=True) for each in range(CLIENTS)]
        chance = random.Random(16)
        for killed in range(KILLS):
            with service.running(folder, **settings) as served:
                current.append(served)
                if killed == 0:
                    for each in clients:
                        each.start()
                time.sleep(chance.uniform(0.05, 1.0))
                served.kill()
            bar.update(killed + 1, KILLS)
        with service.running(folder, **settings) as served:
            current.append(served)
            time.sleep(1)
            stop.set()
            for each in clients:
                each.join()
            service.waited(lambda: served.get("/status")["wake_at"] is None, "all to be done and told")
            ends = [served.get(f"{service.PATH}/{job}")["status"] for job in accepted.values()]
            counts = served.get("/health")["db_stats"]
    lost = sum(end not in ("completed", "failed") for end in ends)
    failed = sum(end == "failed" for end in ends)
    untold = sum(job not in receiver.ids for job in accepted.values())
    twice = sum(len(ids) > 1 for ids in receiver.ids.values())
    doubled = counts["total"] - len(set(accepted.values()))
    how = (
        f"{len(accepted)} jobs accepted of {CLIENTS} clients that submit a pair again until it is answered, "
        f"{uncertain} requests cut off; {failed} failed after three attempts; SIGKILL 0.05 to 1 s after each start"
    )
    yield Figure(f"accepted jobs that did not end, after {KILLS} times kill -9", lost, how, Goal("at most", 0))
    yield Figure("jobs in the table beyond those accepted, after the same", doubled, how, Goal("at most", 0))
    yield Figure("ended jobs whose webhook did not come, after the same", untold, how, Goal("at most", 0))
    yield Figure("jobs whose webhook came under two ids, after the same", twice, how, Goal("at most", 0))


def full(folder: Path, report: Reporter) -> Iterator[Figure]:
    """A file system of its own, filled; wants root."""
    audio = service.recording() * 50  # a megabyte, so that it is soon full
    how = "a tmpfs of 80 MiB; recordings of 1 MB until it refuses, then all the rest of the disk is filled by others"
    if os.geteuid() != 0:
        yield Figure("accepted jobs lost on a full disk", None, f"{how}; wants root to mount it", Goal("at most", 0))
        return
    disk = folder / "disk"
    disk.mkdir(parents=True)
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)), check=True)
    gate = folder / "gate"
    statuses: list[int] = []
    jobs = []
    try:
        with report.step("Filling a disk"), service.running(disk, BENCH_GATE=str(gate)) as served:
            for number in range(100):
                status, answer = served.submit(str(number), audio)
                statuses.append(status)
                if status != 200:
                    break
                jobs.append(answer["job_id"])
            sentence = answer["error"]["message"]
            # Others fill what the service left free, to the last byte.
            with (disk / "others").open("wb") as other, suppress(OSError):
                while True:
                    other.write(b"x" * (1 << 16))
                    other.flush()
            small = [served.submit(f"small-{number}", service.recording())[0] for number in range(20)]
            (disk / "others").unlink()
            gate.touch()
            service.waited(
                lambda: all(served.get(f"{service.PATH}/{job}")["status"] == "completed" for job in jobs), "all done"
            )
            total = served.get("/health")["db_stats"]["total"]
    finally:
        subprocess.run(("umount", "-l", str(disk)), check=True)
    refused = {status for status in (statuses[-1], *small)}
    told = f"{how}; {len(jobs)} accepted and completed, then {sorted(refused)} with “{sentence}”"
    wrong = (total - len(jobs)) + sum(status not in (507, 503) for status in refused)
    yield Figure("jobs lost or wrongly taken on a full disk", wrong, told, Goal("at most", 0))


class Cut:
    """A way to a server on loopback that can be cut: what is on the way then stays there, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.open = threading.Event()
        self.open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            self.open.wait()
            far = socket.create_connection(("127.0.0.1", self._port))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def database() -> Iterator[str]:
    """The URL of a PostgreSQL of its own, run by a child in the services' environment."""
    script = (
        "import sys; from stt_testing import postgres\n"
        "with postgres.server() as url:\n    print(url, flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        (str(SERVICES), "-c", script),
        env=environment(PYTHONPATH=TESTING),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin and child.stdout
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()
            child.wait()


def cut(folder: Path, report: Reporter) -> Iterator[Figure]:
    """A worker that has jobs in its hands loses its database for two minutes, and goes on working meanwhile."""
    audio = service.recording()
    folder.mkdir(parents=True, exist_ok=True)
    gate = folder / "gate"
    with ExitStack() as stack:
        url = stack.enter_context(database())
        receiver = stack.enter_context(receiving())
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        way = Cut(port)
        common = {"STT_JOBS_QUEUE": "cut", "STT_JOBS_KEY": "bench", "STT_WEBHOOK_URL": receiver.url}

        def settings(number: int, address: str, **more: str) -> dict[str, str]:
            own = free_port()
            return {
                "DATABASE_URL": address, "STT_PORT": str(own), "STT_JOBS_ADDRESS": f"http://127.0.0.1:{own}", **common,
                **more,
            }  # fmt: skip

        far_url = url.replace(f":{port}/", f":{way.port}/")
        far = stack.enter_context(service.running(folder / "1", **settings(1, far_url, BENCH_GATE=str(gate))))
        jobs = [far.submit(f"held-{number}", audio)[1]["job_id"] for number in range(4)]
        service.waited(lambda: far.get(f"{service.PATH}/{jobs[-1]}")["status"] == "processing", "it to have them")
        near = stack.enter_context(service.running(folder / "2", **settings(2, url)))
        with report.step(f"Cutting a worker off from its database for {CUT_SECONDS:.0f} s"):
            way.open.clear()
            gate.touch()  # the far one goes on, and is done with them: it only cannot say so
            began = time.monotonic()
            jobs += [near.submit(f"near-{number}", audio)[1]["job_id"] for number in range(20)]
            service.waited(lambda: all(_done(near, job) for job in jobs), "the other to do them all")
            over = time.monotonic() - began
            time.sleep(max(0.0, CUT_SECONDS - over))
            way.open.set()
            jobs += [far.submit(f"after-{number}", audio)[1]["job_id"] for number in range(4)]
            service.waited(lambda: all(_done(far, job) for job in jobs), "all to be done at both")
            service.waited(lambda: near.get("/status")["wake_at"] is None, "all to be told")
            time.sleep(10)
            shown = [near.get(f"{service.PATH}/{job}") for job in jobs]
            total = near.get("/health")["db_stats"]["total"]
    doubled = (
        sum(len(ids) != 1 for ids in receiver.ids.values()) + (total - len(jobs)) + (len(receiver.ids) - len(jobs))
    )
    attempts = sorted({job["attempts"] for job in shown[:4]})
    how = (
        f"two services on one PostgreSQL, one behind a way that is cut for {CUT_SECONDS:.0f} s while it has 4 jobs in "
        f"its hands; the other did them after {over:.0f} s (attempts {attempts}); {len(jobs)} jobs, each told once"
    )
    yield Figure("jobs or webhooks doubled by a worker cut off from PostgreSQL", doubled, how, Goal("at most", 0))


def _done(served: service.Served, job: str) -> bool:
    with suppress(OSError):
        return bool(served.get(f"{service.PATH}/{job}")["status"] == "completed")
    return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
