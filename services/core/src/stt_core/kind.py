"""What one kind of service adds to what all have in common. Plain Python: it is imported before the web."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stt_core.engine.protocol import Engine
from stt_core.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter

    from stt_core.http.intake import Intake
    from stt_core.http.job_forms import JobForm
    from stt_core.http.jobs import Desk
    from stt_core.jobs.service import JobService

Routers = Callable[["Intake", "Desk", Settings], Iterable["APIRouter"]]
"""Makes what answers the service's own paths; it is called once, when the web framework is there."""


def _none(intake: "Intake", desk: "Desk", settings: Settings) -> Iterable["APIRouter"]:
    return ()


def _no_forms() -> "Mapping[str, JobForm]":
    return {}


def _nothing(jobs: "JobService") -> None:
    pass


def _as_it_is(common: Mapping[str, Any]) -> Mapping[str, Any]:
    return common


def _no_more(ready: bool) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of service, made once for a process, so that what its parts share needs no global state.

    title: of its pages.
    engine: a new engine without a model, one for each model that is in memory.
    routers: its own paths.
    status: what /status says, made of what it says in every service; with values for JSON.
    health: what /health says more than that the process serves, or better; told whether the model is loaded.
        Both are quick, and any thread may call them.
    libraries: whose versions matter when a transcript is not what it was.
    job_forms: the forms of its own paths that jobs may be handed in with, by name; called when the web framework
        is there.
    starting: what is done with the jobs before any is taken; called where jobs are kept. Raises StartError.
    """

    title: str
    engine: Callable[[], Engine]
    routers: Routers = _none
    status: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_it_is
    health: Callable[[bool], Mapping[str, Any]] = _no_more
    libraries: tuple[str, ...] = ()
    job_forms: "Callable[[], Mapping[str, JobForm]]" = _no_forms
    starting: "Callable[[JobService], None]" = _nothing


Build = Callable[[Settings], Kind]
"""Makes what some settings ask for. Raises StartError; loads nothing."""
