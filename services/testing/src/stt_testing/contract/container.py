"""The contract of an image: how a container's health is asked, run as Docker runs it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from stt_testing.service import DEADLINE, Service

NOWHERE = "http://127.0.0.1:1"


def test_the_health_check_needs_nothing_but_the_images_python(service: Service, committed: Path) -> None:
    """No program of the system's, no module beside the standard library's, and no proxy."""
    written = (committed.parent / "Dockerfile").read_text()
    checks = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", written, re.MULTILINE)
    exposed = re.findall(r"^EXPOSE (\d+)$", written, re.MULTILINE)[0]  # a file may make another image after it
    command = json.loads(checks[0])
    assert command[0] == "python" and command[-1] == exposed
    environment = {"PATH": "/nowhere", "PYTHONPATH": os.environ["PYTHONPATH"], "HTTP_PROXY": NOWHERE}

    def status(*words: str, **variables: str) -> int:
        # -S: what is installed beside the standard library is not there.
        done = subprocess.run(
            [sys.executable, "-S", *words],
            env=environment | {"http_proxy": NOWHERE} | variables,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode

    port = str(urlsplit(service.url).port)
    asked = command[1:-1]
    assert status(*asked, port) == 0
    assert status(*asked, "1", STT_PORT=port) == status(*asked, "1", UVICORN_PORT=port) == 0
    assert status(*asked, port, STT_PORT="1") != 0
