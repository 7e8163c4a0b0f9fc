"""The webhooks of jobs: what could not be delivered, and sending it again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from httpx2 import URL
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from stt_core.errors import NotFound
from stt_core.http.error_responses import failures
from stt_core.http.jobs import Desk
from stt_core.jobs.outbox import DeliveryStatus, Webhook

LIST = 100


class WebhookBody(BaseModel):
    """One message to one receiver. url: without user and query, which may be secrets. attempts: that failed."""

    id: str
    job_id: str
    url: str
    status: DeliveryStatus
    attempts: int
    created_at: int
    due_at: int
    error: str | None


class WebhookList(BaseModel):
    """The newest first. `after` with last_id gives those that follow."""

    object: Literal["list"] = "list"
    data: list[WebhookBody]
    has_more: bool
    last_id: str | None


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(tags=["Jobs"], responses=failures(503))

    @routes.get("/v1/webhooks", summary="List the webhooks", responses=failures(400))
    async def list_webhooks(
        status: Annotated[DeliveryStatus | None, Query()] = None,
        after: Annotated[str, Query(max_length=64, description="The last_id of the answer before.")] = "",
        limit: Annotated[int, Query(ge=1, le=LIST)] = 20,
    ) -> WebhookList:
        found = await run_in_threadpool(desk.service.outbox.listed, status, after, limit + 1)
        shown = [_body(one) for one in found[:limit]]
        return WebhookList(data=shown, has_more=len(found) > limit, last_id=shown[-1].id if shown else None)

    @routes.post("/v1/webhooks/{webhook_id}/resend", summary="Send a webhook again", responses=failures(404))
    async def resend(webhook_id: Annotated[str, Path(max_length=64)]) -> WebhookBody:
        again = await run_in_threadpool(desk.service.resend, webhook_id)
        if again is None:
            raise NotFound(f"There is no webhook {webhook_id}.", code="webhook_not_found")
        return _body(again)

    return routes


def _body(webhook: Webhook) -> WebhookBody:
    url = URL(webhook.url)
    return WebhookBody(
        id=webhook.id,
        job_id=webhook.job_id,
        url=f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}{url.path}",
        status=webhook.status,
        attempts=webhook.attempts,
        created_at=int(webhook.created_at),
        due_at=int(webhook.due_at),
        error=webhook.error,
    )
