"""Send a file to a service as any client would, with progress."""

import io
import json
from pathlib import Path
from typing import IO

import httpx2

from deploy.errors import HOST, INVENTORY, KitError
from deploy.operations import calls, verify
from deploy.operations.report import Bar, Reporter
from deploy.operations.workspace import Workspace
from deploy.operations.workspace import service as find_service
from deploy.stack import HostStack
from deploy.targets import Target
from deploy.types import Secret

JSON, PLAIN = "application/json", "text/plain"
FORMATS = {"text": PLAIN, "json": JSON, "verbose_json": JSON, "srt": PLAIN, "vtt": "text/vtt"}
"""As what each is sent."""


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read. Raises KitError where it cannot be."""

    def __init__(self, path: Path, file: IO[bytes], total: int, bar: Bar) -> None:
        self._path, self._file, self._total, self._bar, self._done = path, file, total, bar, 0

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:  # a folder of the network, a scratched disk
            raise _unreadable(self._path, error) from None
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


def run(
    space: Workspace,
    path: Path,
    service: str | None,
    response_format: str,
    language: str,
    track: int | None,
    key: Secret,
    report: Reporter,
) -> str:
    """The transcript, as the service wrote it. Raises KitError with the service's sentence."""
    if response_format not in FORMATS:
        raise KitError(f"There is no format {response_format!r}.", f"Known: {', '.join(FORMATS)}.", code=INVENTORY)
    host, chosen = find_service(space, service)
    if not chosen.own:
        raise KitError(f"{chosen.name} is a container: it does not transcribe.", code=INVENTORY)
    fields = {"model": chosen.model, "response_format": response_format}
    fields |= {"language": language} if language else {}
    fields |= {"track": str(track)} if track is not None else {}
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    target = space.target(host)
    timeout = httpx2.Timeout(30, read=chosen.read_timeout + chosen.hold, write=chosen.hold + 60)
    with file, report.step(f"Transcribing {path.name}") as bar, client(host, target) as http:
        try:
            answer = http.post(
                f"{host.base_url(chosen)}/audio/transcriptions",
                headers={"Authorization": f"Bearer {key.reveal()}"},
                data=fields,
                files={"file": (path.name, _Counted(path, file, size, bar))},  # type: ignore[dict-item]
                timeout=timeout,
            )
        except httpx2.HTTPError as error:
            raise calls.broken(host, target, chosen, error) from None
    if answer.status_code != 200:
        raise calls.refused(host, target, chosen, answer)
    if not _is(answer, FORMATS[response_format]):
        raise calls.strange(host, chosen, answer)
    if warning := answer.headers.get("x-warning"):
        report.warn(warning)
    return answer.text


def client(host: HostStack, target: Target) -> httpx2.Client:
    """As any client of this host is, with whom it has to trust. Raises KitError."""
    trusted = verify.trust(host, target)
    try:
        # No proxy leads to this very machine.
        return httpx2.Client(verify=trusted, trust_env=host.runtime != "process")
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        message = f"The proxy that the environment names cannot be used: {calls.reason(error)}."
        raise KitError(message, "HTTPS_PROXY or ALL_PROXY names it, as http://HOST:PORT.", code=HOST) from None


def _is(answer: httpx2.Response, kind: str) -> bool:
    """Whether an answer is what it should be."""
    if answer.headers.get("content-type", "").partition(";")[0].strip() != kind:
        return False
    try:
        return kind != JSON or bool(json.loads(answer.text))
    except ValueError:
        return False


def _unreadable(path: Path, error: OSError) -> KitError:
    return KitError(f"{path} cannot be read: {error.strerror}.", code=INVENTORY)
