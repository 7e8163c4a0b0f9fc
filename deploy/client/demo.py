"""The main job, done as a user would do it: deploy, make a user, transcribe real speech."""

import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from deploy import ROOT, unexpected, workspace
from deploy.client import endpoints
from deploy.client.jobs import Jobs
from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import KitError
from deploy.reporting import Reporter
from deploy.rollout import apply, target_state
from deploy.runtime import control, failures
from deploy.state import users
from deploy.state.users import Key
from deploy.transport.targets import Target
from deploy.types import Secret
from deploy.workspace import Workspace

SAMPLE = ROOT / "examples" / "jfk.wav"
USER = "demo"
WEBHOOK_SECONDS = 120.0


def default() -> Path:
    """The example of the checkout. What was installed as a package deploys a copy in this user's own folder, since all
    that a host of `runtime: process` keeps lies beside its inventory. Raises OSError, and RuntimeError for a user
    without a home."""
    example = ROOT / "examples" / "demo.yml"
    if (ROOT / "pyproject.toml").exists():
        return example
    copy = unexpected.path().parent / "demo.yml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(example.read_bytes())
    return copy


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
        raise KitError("The demo needs a host with `runtime: process`.", code=2)
    for sentence in space.moved:
        report.say(sentence)
    target = space.target(host)
    try:
        apply.deploy(space, host, report, _overwrite, target_state.whole(space))
        yield space, host
    except KitError as error:
        hint = f"{error.hint} The logs are in {host.layout.log}.".strip()
        raise KitError(error.message, hint, code=error.code, output=error.output) from None
    finally:
        for unit in ("nginx", "autostart"):
            target.supervisor.stop(unit)


def _overwrite(host: HostStack, paths: Sequence[str]) -> None:
    """The example is the kit's alone: whatever somebody changed there is kept beside."""


def show(space: Workspace, host: HostStack, report: Reporter) -> Demonstration:
    """Send the sample through the OpenAI client to the sleeping service. Raises KitError."""
    target = space.target(host)
    _, service = workspace.service(space, None)
    names = [user.name for user in users.listed(target, host.layout)]
    make = users.rotate if USER in names else users.add
    key = make(target, host.layout, USER)
    asleep = control.sleep(host, target, service.name)
    report.say(f"{service.name} is {asleep['state']}; a request will wake it.")
    began = time.monotonic()
    with report.step(f"Transcribing {SAMPLE.name}, 11 s of speech"):
        text = _transcribed(host, target, service, key)
    whole = time.monotonic() - began
    waking = control.state(host, target, service.name)["lastStartSeconds"] or 0
    if service.jobs and "localhost" in dict(service.environment).get("STT_URL_ALLOW", ""):
        _hand_in(host, target, service, key, report)
    return Demonstration(host, service, key, text, float(waking), whole)


def _hand_in(host: HostStack, target: Target, service: ServiceStack, key: Key, report: Reporter) -> None:
    """The same as a job: handed in while the service sleeps, its place, and its webhook."""
    control.sleep(host, target, service.name)
    told: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
    with _receiver(told) as url, endpoints.client(host, target) as http:
        callee = endpoints.called(host, target, service)
        jobs = Jobs(callee, http, Secret(key.api_key))
        fields = {"user_uuid": USER, "message_id": f"{time.time_ns()}", "callback_url": url}
        with report.step(f"Handing {SAMPLE.name} in as a job while {service.name} sleeps"):
            audio = SAMPLE.read_bytes()
            job = jobs.submit(lambda: {"data": fields, "files": {"file": (SAMPLE.name, audio)}})
        report.say(job["message"] + ".")
        with report.step("Waiting for its webhook"):
            try:
                identity, body = told.get(timeout=WEBHOOK_SECONDS)
            except queue.Empty:
                why = jobs.show(job["job_id"])
                raise KitError(f"The webhook of the job did not come; the job is {why['status']}.") from None
        report.say(f"Webhook {identity}: {body['type']}, {body['data']['duration']:.0f} s of speech.")


@contextmanager
def _receiver(told: "queue.SimpleQueue[tuple[str, dict[str, Any]]]") -> Iterator[str]:
    """The URL of a receiver of webhooks on this machine."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()
            told.put((str(self.headers["webhook-id"]), body))

        def log_message(self, *arguments: Any) -> None:
            """Nothing to tell."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_address[1]}/transcribed"
        finally:
            server.shutdown()


def _transcribed(host: HostStack, target: Target, service: ServiceStack, key: Key) -> str:
    import openai

    with (
        endpoints.client(host, target) as http,
        openai.OpenAI(base_url=host.base_url(service), api_key=key.api_key, http_client=http) as client,
        SAMPLE.open("rb") as file,
    ):
        try:
            answer = client.audio.transcriptions.with_raw_response.create(model=service.model, file=file)
        except openai.APIStatusError as error:
            raise failures.refused(host, target, service, error.response) from None
        except openai.APIConnectionError as error:
            raise failures.broken(host, target, service, error.__cause__ or error) from None
        try:
            text = answer.parse().text
        except (AttributeError, ValueError, openai.OpenAIError):  # of a page, it gives a string
            text = None
        if not isinstance(text, str):
            raise failures.strange(host, service, answer.http_response, "a transcript")
        return text.strip()
