"""Send a file to a service as any client would, with progress."""

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2

from deploy import reading
from deploy.client.endpoints import Callee
from deploy.errors import HOST, INVENTORY, KitError
from deploy.reporting import Bar, Reporter
from deploy.types import Secret

JSON, PLAIN, EVENTS = "application/json", "text/plain", "text/event-stream"
FORMATS = {
    "text": PLAIN, "json": JSON, "verbose_json": JSON, "diarized_json": JSON, "srt": PLAIN, "vtt": "text/vtt",
}  # fmt: skip
"""As what each is sent."""
STDIN = "-"


@dataclass(frozen=True)
class Wish:
    """What is wanted of a transcript. `hear` takes the text as it comes; None: it is wanted whole."""

    response_format: str
    language: str = ""
    track: int | None = None
    hear: Callable[[str], None] | None = None


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read. Raises KitError where it cannot be."""

    def __init__(self, name: str, file: IO[bytes], total: int, bar: Bar) -> None:
        self._name, self._file, self._total, self._bar, self._done = name, file, total, bar, 0

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:  # a folder of the network, a scratched disk
            raise unreadable(self._name, error) from None
        self._done += len(data)
        sent = self._done >= self._total
        self._bar.update(self._done, self._total, "transcribing" if sent else "sending")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._done = offset if whence == 0 else self._done
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def check(wish: Wish) -> None:
    """Raise KitError for what no service gives."""
    if wish.response_format not in FORMATS:
        raise KitError(f"Unknown format {wish.response_format!r}.", f"Known: {', '.join(FORMATS)}.", code=INVENTORY)
    if wish.hear and wish.response_format != "text":
        raise KitError("--stream works with the format text only.", "Drop --stream or --format.", code=INVENTORY)


def is_url(source: str) -> bool:
    """Whether a source is fetched over HTTP, rather than read from this machine."""
    return source.startswith(("https://", "http://"))


def run(callee: Callee, source: str, wish: Wish, key: Secret, report: Reporter) -> str:
    """The transcript of a file, of standard input (`-`) or of what a URL gives, as the service wrote it. Raises
    KitError with the service's sentence."""
    form = fields(callee, wish)
    if is_url(source):
        with report.step(f"Transcribing {source}"), callee.client() as http:
            return _answered(callee, http, {**form, "url": source}, None, wish, key, report)
    with _opened(source) as (name, file, size), report.step(f"Transcribing {name}") as bar, callee.client() as http:
        counted = (name, _Counted(source, file, size, bar))
        return _answered(callee, http, form, counted, wish, key, report)


def fields(callee: Callee, wish: Wish) -> dict[str, str]:
    """A wish as the fields of a form."""
    form = {"model": callee.model, "response_format": wish.response_format}
    form |= {"language": wish.language} if wish.language else {}
    form |= {"track": str(wish.track)} if wish.track is not None else {}
    return form | ({"stream": "true"} if wish.hear else {})


def _answered(
    callee: Callee,
    http: httpx2.Client,
    form: dict[str, str],
    file: tuple[str, _Counted] | None,
    wish: Wish,
    key: Secret,
    report: Reporter,
) -> str:
    # Without a file the fields have to be a form of parts all the same.
    parts = {"file": file} if file else {name: (None, value) for name, value in form.items()}
    try:
        with http.stream(
            "POST",
            f"{callee.base_url}/audio/transcriptions",
            headers={"Authorization": f"Bearer {key.reveal()}"},
            data=form if file else None,
            files=parts,  # type: ignore[arg-type]
            timeout=callee.timeout,
        ) as answer:
            if answer.status_code == 200 and wish.hear and _kind(answer) == EVENTS:
                return _heard(callee, answer, wish.hear, report)
            answer.read()
    except httpx2.HTTPError as error:
        raise callee.broken(error) from None
    if answer.status_code != 200:
        raise callee.refused(answer)
    if not _is(answer, FORMATS[wish.response_format]):
        raise callee.strange(answer, "a transcript")
    if warning := answer.headers.get("x-warning"):
        report.warn(warning)
    return answer.text


def _heard(callee: Callee, answer: httpx2.Response, hear: Callable[[str], None], report: Reporter) -> str:
    """The text of a stream of events, told as it comes. Raises KitError where it breaks off."""
    told = ""
    for line in answer.iter_lines():
        if line.startswith(": warning: "):
            report.warn(line.removeprefix(": warning: "))
        if not line.startswith("data: {"):
            continue
        try:
            event = json.loads(line.removeprefix("data: "))
        except ValueError:
            continue
        if "error" in event:
            raise KitError(f"{callee.name} broke off: {event['error'].get('message', 'without a reason')}", code=HOST)
        if event.get("type") == "transcript.text.delta":
            told += str(event["delta"])
            hear(str(event["delta"]))
        elif event.get("type") == "transcript.text.done":
            return str(event["text"])
    raise KitError(f"{callee.name} ended before the text was complete.", callee.hint, code=HOST)


@contextmanager
def _opened(source: str) -> Iterator[tuple[str, IO[bytes], int]]:
    """(name, file, bytes) of what is to be sent. Raises KitError."""
    if source == STDIN:
        with tempfile.TemporaryFile() as kept:  # a request that is sent again needs it from its beginning
            shutil.copyfileobj(sys.stdin.buffer, kept)
            size = kept.tell()
            if not size:
                raise KitError("Standard input is empty.", "Pipe a recording into the command.", code=INVENTORY)
            kept.seek(0)
            yield "stdin", kept, size
        return
    path = Path(source)
    try:
        with os.fdopen(reading.opened(path), "rb") as file:
            yield path.name, file, os.fstat(file.fileno()).st_size
    except OSError as error:
        raise unreadable(source, error) from None


def _kind(answer: httpx2.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip()


def _is(answer: httpx2.Response, kind: str) -> bool:
    """Whether an answer is what it should be."""
    if _kind(answer) != kind:
        return False
    try:
        return kind != JSON or bool(json.loads(answer.text))
    except ValueError:
        return False


def unreadable(source: str, error: OSError) -> KitError:
    """A file that cannot be sent."""
    return KitError(f"{source} cannot be read: {error.strerror}.", code=INVENTORY)
