"""Makes jobs of the items of batches while there is room, and writes down what came of them at the end."""

import asyncio
import json
import logging
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from stt_core import errors
from stt_core.errors import ApiError, BadRequest, NotFound
from stt_core.http import form
from stt_core.http.intake import Fetch
from stt_core.http.job_forms import TRANSCRIPTIONS, TRANSLATIONS, JobForms
from stt_core.jobs import batch_lines
from stt_core.jobs.batches import Batch, Item
from stt_core.jobs.model import Job, Request, Status
from stt_core.jobs.service import JobService

log = logging.getLogger("stt")

AHEAD = 32
"""Jobs of one batch that wait or are processed at once: others have their place between them."""
TRIES = 5
"""To fetch a recording whose server may answer another time; a look at the batches lies between two."""
ITEMS = 500
"""That are read at once when the answers are written."""


class Feeder:
    """fetch: the file behind a URL."""

    def __init__(self, service: JobService, forms: JobForms, fetch: Fetch) -> None:
        self._service = service
        self._forms = forms
        self._fetch = fetch

    def step(self) -> None:
        """One look at all batches that are not done."""
        batches = self._service.batches
        for batch in batches.open():
            if batch.status == "cancelling":
                self._cancel(batch)
            counts = batches.counts(batch.id)
            if counts.pending == 0:
                self._end(batch)
                continue
            room = AHEAD - (counts.pending - counts.waiting)
            for item in batches.waiting(batch.id, max(0, room)):
                if not self._made(batch, item):
                    break

    def _made(self, batch: Batch, item: Item) -> bool:
        """A job of an item, or why there is none. False where there is no room for more."""
        name = TRANSLATIONS if batch.endpoint.endswith("translations") else TRANSCRIPTIONS
        try:
            asked: Any = form.checked(batch_lines.fields(item.body), self._forms.classes[name])
            with asyncio.run(self._recording(item)) as file:
                request = Request(name, asked.as_asked())
                # The pair of its own makes one job of it, however often this is tried.
                accepted = self._service.accept(file, request, batch.id, str(item.number), "", force=False)
        except ApiError as error:
            if error.status in (429, 507):
                return False
            again = error.headers.get("x-should-retry") == "true" and item.tries + 1 < TRIES
            if again:
                self._service.batches.note(item, tries=item.tries + 1)
            else:
                self._fail(item, error)
            return True
        self._service.batches.note(item, job_id=accepted.job.id)
        return True

    async def _recording(self, item: Item) -> IO[bytes]:
        if "url" in item.body and isinstance(item.body["url"], str):
            return await self._fetch(item.body["url"])
        file = self._service.files.one(str(item.body["file_id"])[:64])
        if file is None:
            raise NotFound(f"There is no file {str(item.body['file_id'])[:64]}.", code="file_not_found")
        return await self._service.open(file.content)

    def _fail(self, item: Item, error: ApiError) -> None:
        told = {"status": error.status, "body": errors.body(error)}
        self._service.batches.note(item, failed=json.dumps(told, ensure_ascii=False))

    def _cancel(self, batch: Batch) -> None:
        batches = self._service.batches
        while some := batches.waiting(batch.id, ITEMS):
            for item in some:
                self._fail(item, BadRequest("The batch was cancelled.", code="batch_cancelled"))
        for item in self._items(batch):
            if item.job_id is not None:
                self._service.cancel(item.job_id)

    def _items(self, batch: Batch) -> Iterator[Item]:
        after = 0
        while some := self._service.batches.items(batch.id, after, ITEMS):
            yield from some
            after = some[-1].number

    def _end(self, batch: Batch) -> None:
        """Write the answers into two files, as the API has it, and close the batch."""
        with tempfile.TemporaryFile("w+b") as output, tempfile.TemporaryFile("w+b") as wrong:
            for item in self._items(batch):
                status, body = self._answer(item)
                line = batch_lines.answered(batch.id, item.number, item.custom_id, status, body).encode()
                (output if status == 200 else wrong).write(line)
            kept = [
                self._service.files.add(content, f"{batch.id}_{name}.jsonl", "batch_output").id
                if content.tell()
                else None
                for name, content in (("output", output), ("error", wrong))
            ]
        self._service.batches.end(batch, *kept)
        log.info("batch %s has ended: %d lines", batch.id, batch.total)

    def _answer(self, item: Item) -> tuple[int, Any]:
        if item.failed is not None:
            return item.failed["status"], item.failed["body"]
        job = self._service.store.job(item.job_id or "")
        if job is None:
            return 404, batch_lines.error("The job of this line was erased.", "job_not_found")
        if job.status is Status.COMPLETED:
            return self._completed(job)
        message = job.error or "The job was cancelled."
        return 400, batch_lines.error(message, job.error_code or f"job_{job.status.value}")

    def _completed(self, job: Job) -> tuple[int, Any]:
        transcript = self._service.store.transcript(job.id)
        if transcript is None:
            return 404, batch_lines.error("The transcript was deleted: its time was over.", "transcript_deleted")
        try:
            answer = self._forms.answer(job, transcript, "")
        except ApiError as error:
            return error.status, errors.body(error)
        text = bytes(answer.body).decode()
        return 200, json.loads(text) if answer.media_type == "application/json" else text
