"""Send a file to a service as any client would, with progress."""

import io
from pathlib import Path
from typing import IO

import httpx2

from deploy.errors import HOST, INVENTORY, KitError
from deploy.operations import verify
from deploy.operations.report import Bar, Reporter
from deploy.operations.workspace import Workspace
from deploy.operations.workspace import service as find_service
from deploy.types import Secret

FORMATS = ("text", "json", "verbose_json", "srt", "vtt")


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: IO[bytes], total: int, bar: Bar) -> None:
        self._file, self._total, self._bar, self._done = file, total, bar, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
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
    key: Secret,
    report: Reporter,
) -> str:
    """The transcript, as the service wrote it. Raises KitError with the service's sentence."""
    if response_format not in FORMATS:
        raise KitError(f"There is no format {response_format!r}.", f"Known: {', '.join(FORMATS)}.", code=INVENTORY)
    host, chosen = find_service(space, service)
    if not chosen.own:
        raise KitError(f"{chosen.name} is a container: it does not transcribe.", code=INVENTORY)
    fields = {"model": chosen.model, "response_format": response_format} | ({"language": language} if language else {})
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except OSError as error:
        raise KitError(f"{path} cannot be read: {error.strerror}.", code=INVENTORY) from None
    url = f"{host.base_url(chosen)}/audio/transcriptions"
    timeout = httpx2.Timeout(30, read=chosen.read_timeout + chosen.hold, write=chosen.hold + 60)
    trusted = verify.trust(host, space.target(host))
    with file, report.step(f"Transcribing {path.name}") as bar, httpx2.Client(verify=trusted) as client:
        try:
            response = client.post(
                url,
                headers={"Authorization": f"Bearer {key.reveal()}"},
                data=fields,
                files={"file": (path.name, _Counted(file, size, bar))},  # type: ignore[dict-item]
                timeout=timeout,
            )
        except httpx2.HTTPError as error:
            raise KitError(f"{url} could not be reached: {error}", "`status` shows what runs.", code=HOST) from None
    if response.status_code != 200:
        raise KitError(_sentence(response), "`users add NAME` makes a key." if response.status_code == 401 else "")
    return response.text


def _sentence(response: httpx2.Response) -> str:
    try:
        return f"{response.json()['error']['message']} (status {response.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"The service answered with status {response.status_code}: {response.text[:200]}"
