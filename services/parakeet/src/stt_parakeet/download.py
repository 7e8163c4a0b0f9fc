"""Fetches the models into a volume: `python -m stt_parakeet.download KIT`, by the program that a deploy does it with.

KIT: a folder with the kit's `deploy` and `models.json`, which says what is wanted. Lines for people on standard output;
the status is that of the program.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = "deploy.host.models"
EVERY_SECONDS = 2.0
"""Between lines that tell how far a file has come."""
MEGABYTE = 1e6


def request(text: str, environment: Mapping[str, str]) -> str:
    """What the program is asked for. A token is the environment's, and never an argument."""
    return json.dumps({**json.loads(text), "token": environment.get("HF_TOKEN", "").strip() or None})


def lines(events: Iterable[str]) -> Iterable[str]:
    """What the program tells, in words."""
    shown = 0.0
    for text in events:
        told: dict[str, Any] = json.loads(text)
        match told["event"]:
            case "source" if told["source"] != "cache":
                yield f"{told['model']}: fetching it from {told['where']}"
            case "waiting":
                yield f"{told['model']}: {told['message']}"
            case "progress" if time.monotonic() - shown >= EVERY_SECONDS or told["done"] == told["total"]:
                shown = time.monotonic()
                whole = f" of {told['total'] / MEGABYTE:.1f}" if told["total"] else ""
                yield f"  {told['file']}: {told['done'] / MEGABYTE:.1f}{whole} MB"
            case "ready":
                yield f"{told['model']}: {'complete' if told['fetched'] else 'there already'}"
            case "failed":
                hint = f"; {told['hint']}" if told["hint"] else ""
                yield f"{told['model'] or 'The request'} failed: {told['message']}{hint}"
            case _:
                pass


def main(kit: Path) -> int:
    asked = request((kit / "models.json").read_text(), os.environ)
    with subprocess.Popen(
        [sys.executable, "-m", PROGRAM], cwd=kit, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin and child.stdout
        child.stdin.write(asked)
        child.stdin.close()
        for line in lines(child.stdout):
            print(line, flush=True)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
