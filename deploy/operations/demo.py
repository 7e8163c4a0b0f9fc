"""The main job, done as a user would do it: deploy, make a user, transcribe real speech."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT
from deploy.errors import KitError
from deploy.operations import aims, apply, control, users, workspace
from deploy.operations.report import Reporter
from deploy.operations.users import Key
from deploy.operations.workspace import Workspace
from deploy.stack import HostStack, ServiceStack

SAMPLE = ROOT / "examples" / "jfk.wav"
USER = "demo"


def default() -> Path:
    return ROOT / "examples" / "demo.yml"


@dataclass(frozen=True)
class Demonstration:
    """What was shown. Times in seconds."""

    host: HostStack
    service: ServiceStack
    key: Key
    text: str
    waking: float
    whole: float


@contextmanager
def running(path: Path, report: Reporter) -> Iterator[tuple[Workspace, HostStack]]:
    """Deploy an inventory of this machine, and stop what it started at the end."""
    space = workspace.opened(path, claim=True)
    host = space.host()
    if host.runtime != "process":
        raise KitError("A demonstration needs a host with `runtime: process`.", code=2)
    for sentence in space.moved:
        report.say(sentence)
    target = space.target(host)
    try:
        apply.deploy(space, host, report, _overwrite, aims.whole(space))
        yield space, host
    finally:
        for unit in ("nginx", "autostart"):
            target.supervisor.stop(unit)


def _overwrite(host: HostStack, paths: Sequence[str]) -> None:
    """The example is the kit's alone: whatever somebody changed there is kept beside."""


def show(space: Workspace, host: HostStack, report: Reporter) -> Demonstration:
    """Send the sample through the OpenAI client to the sleeping service."""
    import openai

    target = space.target(host)
    _, service = workspace.service(space, None)
    names = [user.name for user in users.listed(target, host.layout)]
    make = users.rotate if USER in names else users.add
    key = make(target, host.layout, USER)
    control.sleep(host, target, service.name)
    report.say(f"{service.name} is {control.states(host, target)[service.name]['state']}; a request will wake it.")
    os.environ["SSL_CERT_FILE"] = host.layout.authority  # as its user would: the client trusts this authority
    client = openai.OpenAI(base_url=host.base_url(service), api_key=key.api_key)
    began = time.monotonic()
    with report.step(f"Transcribing {SAMPLE.name}, 11 s of speech"), SAMPLE.open("rb") as file:
        answer = client.audio.transcriptions.create(model=service.model, file=file)
    whole = time.monotonic() - began
    state = control.states(host, target)[service.name]
    return Demonstration(host, service, key, answer.text.strip(), float(state["lastStartSeconds"]), whole)
