"""Recordings between the machines of one queue: asked for by name, signed with the key they have in common."""

import hashlib
import hmac
import logging
import tempfile
from typing import IO

import httpx2
from starlette.concurrency import run_in_threadpool

from stt_core.errors import ApiError, NotFound
from stt_core.jobs.model import Audio

log = logging.getLogger("stt")

PATH = "/v1/internal/recordings"
HEADER = "x-greffier-signature"
"""Of a request for a recording. nginx keeps Authorization for itself."""
CONNECT_SECONDS, IDLE_SECONDS = 10.0, 30.0


class NotPulled(ApiError):
    """The machine that has the recording cannot be reached, or sent something else; another attempt may help."""

    status = 502


def signature(key: str, name: str) -> str:
    """What shows that a recording is asked for by one who has the key."""
    return hmac.new(key.encode(), f"recording {name}".encode(), "sha256").hexdigest()


def allowed(key: str, name: str, given: str) -> bool:
    """Whether a request for a recording is signed. Without a key none is."""
    return bool(key) and hmac.compare_digest(signature(key, name).encode(), given.encode())


async def pulled(audio: Audio, key: str) -> IO[bytes]:
    """The recording, from the machine that has it; the caller closes it. Raises NotPulled, and NotFound."""
    return await run_in_threadpool(_pulled, audio, key)


def _pulled(audio: Audio, key: str) -> IO[bytes]:
    headers = {HEADER: signature(key, audio.name), "Accept-Encoding": "identity"}
    timeout = httpx2.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS)
    file = tempfile.TemporaryFile()  # noqa: SIM115
    digest, size = hashlib.sha256(), 0
    try:
        with (
            httpx2.Client(timeout=timeout, trust_env=False) as client,
            client.stream("GET", f"{audio.host}{PATH}/{audio.name}", headers=headers) as answer,
        ):
            if answer.status_code == 404:
                raise NotFound("The recording of this job is not on the disk any more.", code="recording_lost")
            if answer.status_code != 200:
                raise NotPulled(f"The machine that has the recording answered with status {answer.status_code}.")
            for part in answer.iter_bytes():
                size += len(part)
                if size > audio.size:
                    raise NotPulled("The machine that has the recording sent something else.")
                digest.update(part)
                file.write(part)
        if size != audio.size or digest.hexdigest() != audio.sha256:
            raise NotPulled("The recording came damaged from the machine that has it.")
    except httpx2.HTTPError as error:
        file.close()
        raise NotPulled(f"The machine that has the recording cannot be reached: {type(error).__name__}.") from None
    except BaseException:
        file.close()
        raise
    return file
