"""Measure what Parakeet costs: `python -m bench.parakeet`. Prints a table and writes bench/results/parakeet.json."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import report
from bench.path.host import environment
from bench.report import Figure, Goal
from bench.speech.client import Client
from bench.speech.memory import peak
from bench.speech.service import answers, process, running, until
from deploy import ROOT
from deploy.client.demo import SAMPLE
from deploy.workspace import models_folder

PYTHON = ROOT / ".venvs" / "whisperx" / "bin" / "python"
CODE = os.pathsep.join([str(ROOT), *(f"{ROOT}/services/{part}/src" for part in ("core", "speakers", "parakeet"))])
MODEL = "istupakov/parakeet-tdt-0.6b-v3-onnx"
RATE = 16_000
GIGABYTE = 1e9
KNOWN_SERVER = 2 * GIGABYTE
"""What the README of the known voicemail server says that it uses."""
CLIENTS = 8
STARTS = 3
RANDOM = "a network of Parakeet's size with random weights: no claim of its words"


def model() -> Path:
    """The network, made once."""
    folder = models_folder().parent / "bench" / "parakeet"
    if not (folder / "config.json").exists():  # which is written last
        print("Making a network of Parakeet's size: about a minute ...", file=sys.stderr, flush=True)
        maker = ROOT / "bench" / "parakeet" / "maker.py"
        subprocess.run((PYTHON, maker, folder), check=True, capture_output=True, env=environment())
    return folder


def sound(folder: Path, seconds: int) -> Path:
    """The sample again and again."""
    with wave.open(str(SAMPLE)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        samples = file.readframes(file.getnframes())
    path = folder / f"{seconds}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        size = seconds * RATE * 2
        file.writeframes((samples * (size // len(samples) + 1))[:size])
    return path


class Served(Client):
    """pid of the running service; start: seconds from its start to its first answer of readiness."""

    def __init__(self, url: str, pid: int, start: float) -> None:
        super().__init__(url, MODEL)
        self.pid, self.start = pid, start


@contextmanager
def served(folder: Path, log: Path) -> Iterator[Served]:
    settings = {"STT_PORT": "0", "STT_MAX_UPLOAD_BYTES": "500000000", "MODEL_PATH": str(folder)}
    command = (str(PYTHON), "-m", "stt_parakeet")
    began = time.monotonic()
    with process(command, log, environment(PYTHONPATH=CODE, ORT_DISABLE_TELEMETRY="1", **settings)) as child:
        until(child, log, lambda: re.search(rb"listening on [\d.]+ port (\d+)", log.read_bytes()) is not None)
        found = re.search(rb"listening on [\d.]+ port (\d+)", log.read_bytes())
        assert found
        url = f"http://127.0.0.1:{found[1].decode()}"
        until(child, log, lambda: answers(f"{url}/ready"))
        client = Served(url, child.pid, time.monotonic() - began)
        try:
            yield client
        finally:
            client.close()


def bare(folder: Path, long: Path, short: Path) -> dict[str, Any]:
    """onnx-asr alone, with `start`: seconds from its process's start to a loaded model."""
    began = time.time()
    command = (PYTHON, "-m", "bench.parakeet.bare", folder, long, short)
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(PYTHONPATH=CODE))
    told: dict[str, Any] = json.loads(done.stdout)
    return told | {"whole": time.time() - began}


def loading(folder: Path) -> float:
    """Seconds of a process that imports onnx-asr and loads the model, as the service does."""
    program = (
        "import sys, onnx_asr\n"
        "onnx_asr.load_model('nemo-conformer-tdt', sys.argv[1], quantization='int8',"
        " providers=['CPUExecutionProvider'])"
    )
    began = time.monotonic()
    subprocess.run((PYTHON, "-c", program, folder), check=True, env=environment())
    return time.monotonic() - began


def best(seconds: Sequence[float]) -> float:
    return min(seconds)


def figures(place: Path) -> Iterator[Figure]:
    folder = model()
    half, ten, hour = (sound(place, seconds) for seconds in (30, 600, 3600))
    busy = os.getloadavg()[0]
    alone = bare(folder, ten, half)
    loads = [loading(folder) for _ in range(STARTS)]
    starts, firsts = [], []
    for _ in range(STARTS):
        with served(folder, place / "log") as service:
            starts.append(service.start)
            firsts.append(service.transcribe(half).seconds)
    with served(folder, place / "log") as service:
        service.transcribe(half)
        short = best([service.transcribe(half).seconds for _ in range(3)])
        yield Figure("30 s, real-time factor", short / 30, RANDOM)
        one_by_one = best([_in_turn(service, half) for _ in range(2)])
        with ThreadPoolExecutor(CLIENTS) as pool:
            at_once = best([_at_once(service, half, pool) for _ in range(2)])
        yield Figure(
            f"{CLIENTS} clients of 30 s at once, against one after the other", one_by_one / at_once,
            f"{at_once:.2f} s against {one_by_one:.2f} s", Goal("at least", 1.0),
        )  # fmt: skip
    with served(folder, place / "log") as service:
        tens = [service.transcribe(ten).seconds for _ in range(2)]
        ten_peak = peak(service.pid)
        yield Figure("10 min, real-time factor", best(tens) / 600, RANDOM)
        yield Figure(
            "10 min, the service against onnx-asr called bare", best(tens) / alone["long"],
            f"{best(tens):.2f} s against {alone['long']:.2f} s for the same {alone['windows']} windows; the service "
            "also decodes the file and looks for speech", Goal("at most", 1.05),
        )  # fmt: skip
    with served(folder, place / "log") as service:
        long = service.transcribe(hour).seconds
        hour_peak = peak(service.pid)
    yield Figure("1 h, real-time factor", long / 3600, RANDOM)
    yield Figure(
        "1 h, memory against 10 min", hour_peak / ten_peak,
        f"{hour_peak / 1e6:.0f} MB against {ten_peak / 1e6:.0f} MB at most", Goal("at most", 1.1),
    )  # fmt: skip
    yield Figure("1 h, GB at most", hour_peak / GIGABYTE, "the known server: 2 GB", Goal("at most", 2.0))
    yield Figure(
        "start until ready, against loading the model bare", statistics.median(starts) / statistics.median(loads),
        f"median {statistics.median(starts):.2f} s against {statistics.median(loads):.2f} s, {STARTS} starts each",
        Goal("at most", 1.1),
    )  # fmt: skip
    yield Figure(
        "start until the first text of 30 s, seconds", statistics.median(starts) + statistics.median(firsts),
        f"until ready {statistics.median(starts):.2f}, then {statistics.median(firsts):.2f}; bare: import and load "
        f"{statistics.median(loads):.2f}, of that the model {alone['load']:.2f}, then {alone['first']:.2f}",
    )  # fmt: skip
    yield Figure(
        "batching in onnx-asr: 4 of 30 s together, against one by one", alone["apart"] / alone["together"],
        f"{alone['together']:.2f} s against {alone['apart']:.2f} s; below 1 it hurts, and the service runs each window "
        "alone",
    )  # fmt: skip
    with running(place / "whisper.log") as whisper:
        whisper.transcribe(half)
        other = best([whisper.transcribe(half).seconds for _ in range(3)])
    yield Figure(
        "30 s, against faster-whisper base", other / short,
        f"{short:.2f} s against {other:.2f} s for the service faster-whisper with base, whose weights are real",
    )  # fmt: skip
    how = "processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy"
    yield Figure("load of the machine before", busy, how)


def _in_turn(service: Client, audio: Path) -> float:
    began = time.monotonic()
    for _ in range(CLIENTS):
        service.transcribe(audio)
    return time.monotonic() - began


def _at_once(service: Client, audio: Path, pool: ThreadPoolExecutor) -> float:
    began = time.monotonic()
    list(pool.map(lambda _: service.transcribe(audio), range(CLIENTS)))
    return time.monotonic() - began


def main() -> int:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as place:
        for figure in figures(Path(place)):
            print(f"{figure.figure}: {figure.shown}", file=sys.stderr, flush=True)
            found.append(figure)
    report.publish("parakeet", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
