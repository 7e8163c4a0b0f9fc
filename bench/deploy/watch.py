"""On the host: print the time at which autostart lets its service sleep after so many seconds without a request."""

import sys
import time
from pathlib import Path

from greffier_autostart.control import ask  # type: ignore[import-not-found]

SOCKET = Path("/run/greffier/autostart.sock")
INTERVAL = 0.02

print("watching", flush=True)
while ask(SOCKET, "status", None)["services"][0]["idleSeconds"] != int(sys.argv[1]):
    time.sleep(INTERVAL)
print(time.time(), flush=True)
