"""The Swagger pages: Swagger UI from this package, no inline script, nothing from another host."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, RedirectResponse, Response

from stt_core.errors import NotFound

FOLDER = Path(__file__).parent / "swagger"
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Swagger UI sets style attributes; scripts come from files alone."""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> Response:
    return FileResponse(FOLDER / "page.html", media_type="text/html", headers={"content-security-policy": POLICY})


@router.get("/docs/")
async def slash() -> Response:
    return RedirectResponse("../docs", status_code=308)  # relative: the prefix is nginx's


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    if name not in FILES:
        raise NotFound(f"There is no /docs/{name[:80]}.", code="not_found")
    return FileResponse(FOLDER / name, media_type=FILES[name], headers={"cache-control": "max-age=86400"})
