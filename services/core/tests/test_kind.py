"""What a kind of service adds: its own paths, and its own part of /status."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from fastapi import APIRouter
from toy import Toy

from stt_core import __version__
from stt_core.http.intake import Intake
from stt_core.http.jobs import Desk
from stt_core.kind import Kind
from stt_core.settings import Settings
from stt_testing.service import serving


def greeting(intake: Intake, desk: Desk, settings: Settings) -> Iterable[APIRouter]:
    router = APIRouter()

    @router.get("/greeting", tags=["Own"])
    async def greet() -> dict[str, object]:
        return {"takes": type(intake).__name__, "port": settings.port}

    return (router,)


def test_it_has_its_own_paths_and_status() -> None:
    def status(told: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**told, "mood": {"today": "fair"}, "model": told["model"].upper()}

    kind = Kind("Own", Toy, greeting, status, lambda ready: {"loaded": ready}, ("pytest",))
    with serving(kind, Settings(port=0, model="toy/model")) as service:
        assert service.get("/greeting").json() == {"takes": "Intake", "port": 0}
        assert "/greeting" in service.get("/openapi.json").json()["paths"]
        found = service.get("/status").json()
        assert found["mood"] == {"today": "fair"} and found["state"] == "ready"
        assert found["model"] == "TOY/MODEL"
        assert service.get("/health").json() == {
            "status": "healthy",
            "model": "toy/model",
            "version": __version__,
            "loaded": True,
        }
        assert found["libraries"]["pytest"] == pytest.__version__
