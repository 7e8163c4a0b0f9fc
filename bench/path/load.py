"""Load on a front: as many requests as it takes, a fixed rate, one large upload."""

import http.client
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.path.host import AUTOSTART, Deployed, environment

PATIENCE = 60.0
"""Seconds that a service may take to wake."""
CONNECTIONS = 64
THREADS = 2
BURST_SECONDS = 3
RATE = 200
STEADY_SECONDS = 4
UPLOAD_BYTES = 500_000_000
STEADY = Path(__file__).parent / "steady.py"


@dataclass(frozen=True)
class Latency:
    """Milliseconds at a fixed rate."""

    p50: float
    p99: float


def ask(front: Deployed) -> None:
    """One request, waiting while the service wakes. Raises RuntimeError unless the answer is a success."""
    url = urlsplit(front.base_url)
    connection = http.client.HTTPSConnection(str(url.hostname), url.port, timeout=PATIENCE, context=front.trust)
    try:
        connection.request("GET", f"{url.path}/models", headers={"Authorization": f"Bearer {front.key.api_key}"})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{front.base_url}/models answered with status {response.status}: {body[:300]!r}")


def requests_per_second(front: Deployed) -> float:
    """What wrk gets through. Raises RuntimeError unless every answer is a success."""
    # The key in a file: an argument list is there for everybody to read.
    script = Path(front.host.layout.run) / "wrk.lua"
    script.touch(0o600)
    script.write_text(f'wrk.headers["Authorization"] = "Bearer {front.key.api_key}"\n')
    command = ("wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{BURST_SECONDS}s", "-s", str(script))
    done = subprocess.run((*command, f"{front.base_url}/models"), capture_output=True, text=True, check=False)
    found = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    if done.returncode or not found or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    return float(found[1])


def steady(front: Deployed) -> Latency:
    """What a client with a fixed rate sees, in a process of its own."""
    url = urlsplit(front.base_url)
    asked = {
        "host": url.hostname,
        "port": url.port,
        "path": f"{url.path}/models",
        "authority": front.host.layout.authority,
        "key": front.key.api_key,
        "rate": RATE,
        "seconds": STEADY_SECONDS,
    }
    command = (str(AUTOSTART), str(STEADY))
    done = subprocess.run(
        command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True, env=environment()
    )
    answer = json.loads(done.stdout)
    return Latency(answer["p50"], answer["p99"])


def upload(front: Deployed, file: Path) -> float:
    """Bytes a second of one upload by curl over HTTP/1.1, as OpenAI's client sends it. Raises RuntimeError."""
    config = "\n".join(
        (
            f'url = "{front.base_url}/audio/transcriptions"',
            f'cacert = "{front.host.layout.authority}"',
            f'header = "Authorization: Bearer {front.key.api_key}"',
            'header = "Expect:"',
            f'upload-file = "{file}"',
            'request = "POST"',
            "http1.1",
            "silent",
            "show-error",
            'output = "/dev/null"',
            'write-out = "%{http_code} %{time_total}"',
        )
    )
    done = subprocess.run(("curl", "--config", "-"), input=config, capture_output=True, text=True, check=False)
    status, _, seconds = done.stdout.partition(" ")
    if done.returncode or status != "200":
        raise RuntimeError(f"curl: status {status}: {done.stderr}")
    return file.stat().st_size / float(seconds)
