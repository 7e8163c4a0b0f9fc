"""Those that the service is compared with: the same weights, threads and beam, each in a warm process of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import warm
from bench.path.host import SERVICES, environment
from bench.speech import service
from bench.speech.client import Client
from bench.warm import BATCH_SIZE, BEAM_SIZE, Warm
from deploy import ROOT

PEERS = ROOT / ".venvs" / "speech-peers"
PYTHON = PEERS / "bin" / "python"


@contextmanager
def raw_library(model: str) -> Iterator[Warm]:
    """faster-whisper itself; `batched` says by which of its two ways."""
    command = (str(SERVICES), "-m", "bench.library", model)
    with warm.started("the raw library", command, ROOT, environment(PYTHONPATH=service.CODE)) as library:
        yield library


@contextmanager
def openai_whisper(model: str, threads: int) -> Iterator[Warm]:
    """OpenAI's own implementation, in float32."""
    command = (str(PYTHON), "-m", "bench.peers.speech.original", model, str(threads))
    with warm.started("openai-whisper", command, ROOT, environment(OMP_NUM_THREADS=str(threads))) as original:
        yield original


@contextmanager
def faster_whisper_server(model: str, threads: int, folder: Path) -> Iterator[Client]:
    """A server of OpenAI's API, with the library's batched pipeline and VAD."""
    options = {"beam_size": BEAM_SIZE, "vad_filter": True}
    entry = {
        "name": "whisper-1",
        "path": model,
        "batch_size": BATCH_SIZE,
        "model_options": {"device": "cpu", "compute_type": "int8", "cpu_threads": threads},
        "transcribe_options": options,
    }
    config = folder / "faster-whisper-server.yml"  # JSON is YAML
    config.write_text(json.dumps({"models": [entry]}))
    port = service.free_port()
    command = (str(PYTHON), "-m", "faster_whisper_server", "--config", str(config), "--host", "127.0.0.1")
    log = folder / "faster-whisper-server.log"
    with service.process((*command, "--port", str(port)), log, environment()) as child:
        url = f"http://127.0.0.1:{port}"
        service.until(child, log, lambda: service.answers(f"{url}/health"))
        client = Client(url, "whisper-1")
        try:
            yield client
        finally:
            client.close()


@contextmanager
def wyoming_faster_whisper(model: str, threads: int, folder: Path) -> Iterator[Warm]:
    """Home Assistant's server, with the library's plain way and VAD, and a client of its protocol."""
    port = service.free_port()
    command = (
        *(str(PYTHON), "-m", "wyoming_faster_whisper", "--uri", f"tcp://127.0.0.1:{port}"),
        *("--model", model, "--data-dir", str(folder), "--stt-library", "faster-whisper", "--local-files-only"),
        *("--compute-type", "int8", "--beam-size", str(BEAM_SIZE), "--cpu-threads", str(threads), "--vad-filter"),
    )
    log = folder / "wyoming-faster-whisper.log"
    with service.process(command, log, environment()) as child:
        service.until(child, log, lambda: service.listens(port))
        client = (str(PYTHON), "-m", "bench.peers.speech.home", str(port))
        with warm.started("the Wyoming client", client, ROOT, environment()) as home:
            yield home
