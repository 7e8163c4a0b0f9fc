"""A container's health check: `python -m stt_core.alive PORT`, for an image that has no curl and no requests.

PORT counts where no setting names another. Unlike urllib it asks no proxy, which Docker may have put into the
environment.
"""

import http.client
import os
import sys

PATIENCE = 4.0
"""Seconds; Docker waits for five."""


def alive(port: int) -> bool:
    """Whether the service in this container answers. Raises OSError where nobody listens, or in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/health")
    return connection.getresponse().status == 200


if __name__ == "__main__":
    named = os.environ.get("STT_PORT", "").strip() or os.environ.get("UVICORN_PORT", "").strip()
    sys.exit(not alive(int(named or sys.argv[1])))
