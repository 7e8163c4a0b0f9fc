"""Recordings for the other machines of a queue. Not part of the API that clients use."""

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from stt_core.errors import NotFound
from stt_core.http.jobs import Desk
from stt_core.jobs import sharing


def router(desk: Desk, key: str) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get(sharing.PATH + "/{name}")
    async def recording(request: Request, name: str) -> Response:
        """Who has no valid signature learns nothing, not even whether there is such a recording."""
        given = request.headers.get(sharing.HEADER, "")
        missing = NotFound("There is no such recording.", code="not_found")
        if not sharing.allowed(key, name, given):
            raise missing
        try:
            path = desk.service.recordings.path(name)
        except ValueError:
            raise missing from None
        if not path.is_file():
            raise missing
        return FileResponse(path, media_type="application/octet-stream")

    return routes
