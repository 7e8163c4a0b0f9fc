"""How the tests start the service: with a model that says something, in the place and by the name of the real one."""

import json
import sys
from hashlib import sha256
from pathlib import Path

from transducer import make

from stt_core.engine.modeldir import RECORD
from stt_parakeet.models import DEFAULT
from stt_testing.models import OPEN, fetched

MODEL = DEFAULT
COMMAND = [sys.executable, "-m", "stt_parakeet"]
VOCABULARY = ("▁and", "▁so", "▁my", "▁fellow", "▁ask", "▁not", "▁what", ".")


def models(folder: Path, vocabulary: tuple[str, ...] = VOCABULARY) -> Path:
    """A folder of models: the one of the tests, recorded as a fetched one is, and what tells speakers."""
    place = folder / MODEL.replace("/", "--")
    make(place, vocabulary)
    record(place)
    (folder / OPEN.replace("/", "--")).symlink_to(fetched(OPEN) / OPEN.replace("/", "--"))
    return folder


def record(place: Path) -> None:
    files = {}
    for file in sorted(place.iterdir()):
        status = file.stat()
        digest = sha256(file.read_bytes()).hexdigest()
        files[file.name] = {"sha256": digest, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    (place / RECORD).write_text(json.dumps({"name": MODEL, "revision": None, "files": files}))
