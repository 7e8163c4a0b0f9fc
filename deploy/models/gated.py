"""Gated models: whether the hub gives them, asked before one is fetched."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from deploy.config.stack import HostStack
from deploy.errors import Problem
from deploy.host.wanted import Failure
from deploy.host.web import Refused, Server
from deploy.models import fetching
from deploy.types import Reference, Secret
from deploy.workspace import Workspace

WITHOUT = "Until then the service runs without it."


@dataclass(frozen=True)
class Answer:
    """What the hub says of a model. `given` is None where it could not be asked; `sentence` says why not, and what to
    do."""

    given: bool | None
    sentence: str = ""


def ask(names: Iterable[str], token: str | None) -> dict[str, Answer]:
    """What the hub says of each model. One that does not answer costs the time of one question."""
    server = Server(fetching.hub(), fetching.HUB_SECONDS, f"Bearer {token}" if token else None)
    return {name: _ask(server, name, token) for name in names}


def _ask(server: Server, name: str, token: str | None) -> Answer:
    page, about = f"{server.address}/{name}", f"{server.address}/api/models/{name}"
    try:
        gated = json.loads(server.document(about))["gated"]
        if gated and not token:
            how = f"accept its terms at {page}, and give a service the secret HF_TOKEN in the inventory"
            return Answer(False, f"{name} is gated: {how}.")
        if gated:
            server.document(f"{about}/auth-check")
        return Answer(True)
    except Refused as refused:
        if refused.status == 401 and token and refused.code != "RepoNotFound":
            new = f"create another at {server.address}/settings/tokens"
            return Answer(False, f"{name} cannot be fetched: the hub rejects the token in HF_TOKEN; {new}.")
        if refused.status == 403:
            how = f"accept its terms at {page}, logged in with the account of HF_TOKEN"
            return Answer(False, f"{name} is gated, and the token in HF_TOKEN gives no access: {how}.")
        if refused.status in (401, 404):
            return Answer(False, f"{name} is private or does not exist: see {page}.")
        return Answer(None, refused.message)
    except Failure as failure:
        return Answer(None, failure.message)
    except (ValueError, KeyError, TypeError):
        return Answer(None, f"{server.address} does not answer like a model hub")


def withheld(requests: Mapping[str, fetching.Request], there: Iterable[str], token: str | None) -> dict[str, str]:
    """Gated models that are wanted, not there and not to be had: each with why. One that the services need is asked
    for again by the fetcher, where the hub gave no answer."""
    missing = [name for name, request in requests.items() if request["gated"] and name not in there]
    found = {}
    for name, answer in ask(missing, token).items() if missing else ():
        if answer.given is False or (answer.given is None and requests[name]["spare"]):
            found[name] = answer.sentence if answer.given is False else f"{name} cannot be fetched: {answer.sentence}."
    return found


def look(space: Workspace, known: Mapping[Reference, Secret]) -> tuple[list[Problem], list[str]]:
    """What the hub says of the gated models of an inventory: problems where a service needs one that it does not
    give, and sentences."""
    problems: list[Problem] = []
    notes: list[str] = []
    for host in space.stack.hosts:
        for service, name, spare, answer in _gated(host, known):
            if answer.given is False and not spare:
                place = space.source.place(("services", service, "diarizer"))
                problems.append(Problem(place, f"services.{service}: {answer.sentence}", "or use diarizer: auto"))
            elif answer.given is False:
                notes.append(f"{service}: {answer.sentence} {WITHOUT}")
            elif answer.given is None:
                notes.append(f"{service}: access to {name} could not be checked: {answer.sentence}.")
    return problems, notes


def _gated(host: HostStack, known: Mapping[Reference, Secret]) -> Iterator[tuple[str, str, bool, Answer]]:
    sides = [(service.name, side) for service in host.services for side in service.side_models if side.gated]
    answers = ask(dict.fromkeys(side.name for _, side in sides), fetching.token(host, known)) if sides else {}
    return ((service, side.name, side.spare, answers[side.name]) for service, side in sides)
