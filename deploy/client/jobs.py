"""The jobs of a service, asked for over its API."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from deploy.client.endpoints import Callee
from deploy.errors import HOST, KitError
from deploy.types import Secret

PATH = "/audio/transcriptions"
PAGE = 100
"""Of a list in one answer: the most that a service gives."""
AWAY_SECONDS = 600.0
"""So long a service may give no answer while a folder is transcribed: a deploy or a reboot is over by then."""
AWAY_STATUS = frozenset({429, 502, 503, 504})
"""What a service answers, or nginx and autostart for it, that will answer otherwise later."""
LONGEST_PAUSE = 15.0
"""Seconds between two tries."""

Document = dict[str, Any]
Body = Callable[[], dict[str, Any]]
"""Makes the `data` and `files` of a request anew, since a file that was sent is at its end."""


class Stopped(Exception):
    """Whoever waited for the answers does not want them any more."""


class Refused(KitError):
    """A service refused. `status` and `kind` are its answer's status and error code."""

    def __init__(self, error: KitError, status: int, kind: str) -> None:
        super().__init__(error.message, error.hint, code=error.code, output=error.output)
        self.status, self.kind = status, kind


class Jobs:
    """`patient`: what fails on the way or for now is tried again. `stop` ends that. All methods raise KitError."""

    def __init__(
        self,
        callee: Callee,
        http: httpx2.Client,
        key: Secret,
        *,
        patient: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        self._callee, self._http, self._patient = callee, http, patient
        self._headers = {"Authorization": f"Bearer {key.reveal()}"}
        self._stop = stop or threading.Event()

    def listed(self, status: str = "", user: str = "") -> Iterator[Document]:
        """The newest first."""
        return self._pages(PATH, {"status": status, "user_uuid": user})

    def show(self, identity: str) -> Document:
        return self._document("GET", f"{PATH}/{_part(identity)}", "job_id")

    def result(self, identity: str, response_format: str = "") -> httpx2.Response:
        """The transcript as the service wrote it; status 202 while there is none."""
        parameters = {"response_format": response_format} if response_format else {}
        return self._answer("GET", f"{PATH}/{_part(identity)}/result", params=parameters)

    def cancel(self, identity: str) -> Document:
        return self._document("POST", f"{PATH}/{_part(identity)}/cancel", "job_id")

    def retry(self, identity: str) -> Document:
        return self._document("POST", f"{PATH}/{_part(identity)}/retry", "job_id")

    def erase(self, identity: str) -> None:
        self._document("DELETE", f"{PATH}/{_part(identity)}", "deleted")

    def erase_user(self, user: str) -> int:
        """How many jobs are no more."""
        return int(self._document("DELETE", PATH, "deleted", params={"user_uuid": user})["deleted"])

    def webhooks(self, status: str = "") -> Iterator[Document]:
        """The newest first."""
        return self._pages("/webhooks", {"status": status})

    def resend(self, identity: str) -> Document:
        return self._document("POST", f"/webhooks/{_part(identity)}/resend", "id")

    def kept(self) -> bool:
        """Whether the service keeps jobs at all: one of before, or of somebody else, does not."""
        try:
            self._document("GET", f"{PATH}/status", "queue_length")
        except Refused as error:
            if error.kind == "jobs_unavailable" or error.status in (404, 405):
                return False
            raise
        return True

    def lookup(self, user: str, message: str) -> Document | None:
        found = self._document("GET", f"{PATH}/lookup", "found", params={"user_uuid": user, "message_id": message})
        return found if found["found"] else None

    def submit(self, body: Body) -> Document:
        return self._document("POST", PATH, "job_id", body=body)

    def _pages(self, path: str, parameters: dict[str, str]) -> Iterator[Document]:
        wanted = {name: value for name, value in parameters.items() if value} | {"limit": str(PAGE)}
        after: dict[str, str] = {}
        while True:
            page = self._document("GET", path, "data", params={**wanted, **after})
            yield from page["data"]
            if not page.get("has_more"):
                return
            after = {"after": str(page["last_id"])}

    def _document(self, method: str, path: str, key: str, **options: Any) -> Document:
        """An answer that is an object with a certain key."""
        answer = self._answer(method, path, **options)
        try:
            document = json.loads(answer.text)
        except ValueError:
            document = None
        if not isinstance(document, dict) or key not in document:
            raise self._callee.strange(answer, "a job")
        return document

    def _answer(self, method: str, path: str, *, body: Body | None = None, **options: Any) -> httpx2.Response:
        until, pause = time.monotonic() + AWAY_SECONDS, 0.5
        while True:
            try:
                answer = self._http.request(
                    method,
                    f"{self._callee.base_url}{path}",
                    headers=self._headers,
                    timeout=self._callee.timeout,
                    **(body() if body else {}),
                    **options,
                )
            except httpx2.HTTPError as error:
                if not self._patient or time.monotonic() > until or isinstance(error, httpx2.UnsupportedProtocol):
                    raise self._callee.broken(error) from None
                delay = pause
            else:
                if answer.status_code < 300:
                    return answer
                again = answer.status_code in AWAY_STATUS and answer.headers.get("x-should-retry") != "false"
                if not self._patient or not again or time.monotonic() > until:
                    raise Refused(self._callee.refused(answer), answer.status_code, _kind(answer))
                if answer.status_code == 429:  # a full queue is no fault: it may stay full for hours
                    until = time.monotonic() + AWAY_SECONDS
                delay = max(pause, _seconds(answer.headers.get("retry-after", "")))
            if self._stop.wait(min(delay, LONGEST_PAUSE)):
                raise Stopped
            pause = min(2 * pause, LONGEST_PAUSE)


def _kind(answer: httpx2.Response) -> str:
    try:
        return str(json.loads(answer.text)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _part(identity: str) -> str:
    """An id as one part of a path, whatever was typed. Raises KitError."""
    if not identity.isascii() or not identity.replace("-", "").replace("_", "").isalnum():
        raise KitError(f"{identity!r} is no id.", "`greffier jobs list` shows them.", code=HOST)
    return identity
