"""What a deploy does to a machine that serves already, and what it does after mishaps."""

import itertools
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.runtime.ports import free
from tests.integration.kit import JFK, Kit, deployed, inventory, processes, service, until

QUEUES = itertools.count(100)


def changed(kit: Kit) -> int:
    """Change one value of the inventory, which the service itself tells: how many requests may wait."""
    queue = next(QUEUES)
    kit.write(inventory({"whisper": service(environment={"STT_QUEUE": str(queue)})}))
    return queue


def told(kit: Kit) -> int:
    return int(kit.http().get("/whisper/status").json()["queue"]["limit"])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with deployed(tmp_path_factory.mktemp("own"), inventory()) as kit:
        yield kit


@pytest.fixture
def site(own: Kit) -> Kit:
    """A deployment with nothing to do, whatever the test before did to it."""
    own.cli("deploy")
    return own


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_deploy_has_nothing_to_do(site: Kit) -> None:
    before, state = _contents(site.root / "etc"), site.state()
    assert site.cli("deploy").stdout.strip() == "here: nothing to do."
    assert site.cli("plan").stdout.strip() == "here: nothing to do."
    assert json.loads(site.cli("plan", "--json").stdout) == {"here": []}
    assert _contents(site.root / "etc") == before
    assert site.state()["starts"] == state["starts"]


def test_one_service_alone_leaves_the_other_as_it_was_deployed(site: Kit) -> None:
    site.awake()
    before = told(site)
    site.write(inventory({"other": service(), "whisper": service(environment={"STT_QUEUE": str(next(QUEUES))})}))
    assert "other" in site.cli("deploy", "--service", "other").stdout
    assert site.http().get("/other/v1/models").status_code == 200 and told(site) == before
    assert site.cli("plan", "--service", "other").stdout.strip() == "here: nothing to do."
    assert "STT_QUEUE" in site.cli("plan", status=4).stdout
    site.cli("deploy")
    assert told(site) != before  # it was awake all the time
    site.write(inventory())


def test_a_changed_value_changes_its_file_and_its_service_only(site: Kit) -> None:
    site.awake()
    pid = site.state()["pid"]
    units = {unit: (site.root / "run" / f"{unit}.pid").read_text() for unit in ("nginx", "autostart")}
    before = _contents(site.root / "etc")
    config = site.root / "etc" / "autostart" / "config.json"

    queue = changed(site)
    steps = json.loads(site.cli("plan", "--json", status=4).stdout)["here"]
    wanted = [("change", str(config)), ("reload", "autostart"), ("restart", "whisper")]
    assert [(step["verb"], step["what"]) for step in steps] == wanted
    assert f'"STT_QUEUE": "{queue}"' in steps[0]["diff"]
    assert "STT_QUEUE" in site.cli("plan", status=4).stdout
    assert _contents(site.root / "etc") == before and site.state()["pid"] == pid

    site.cli("deploy")
    after = _contents(site.root / "etc")
    assert {path for path in after if after[path] != before.get(path)} == {config} and set(after) == set(before)
    assert site.state()["state"] == "ready" and site.state()["pid"] != pid  # it was awake, and is again
    assert told(site) == queue
    assert {unit: (site.root / "run" / f"{unit}.pid").read_text() for unit in units} == units


def test_a_deploy_drops_no_request(site: Kit) -> None:
    site.awake()
    answers: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answers.append(site.post(JFK.read_bytes()).status_code)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        until(lambda: answers, "a first answer")
        queue = changed(site)
        site.cli("deploy")
        count = len(answers)
        until(lambda: len(answers) > count, "one more answer")
    finally:
        ended.set()
        asking.join()
    assert set(answers) == {200}
    assert told(site) == queue


def test_another_policy_touches_nothing_that_runs(site: Kit) -> None:
    """A request is in its middle all the time, and the service that has it is neither stopped nor asked to drain."""
    site.write(inventory())
    site.cli("deploy")
    site.awake()
    pid = site.state()["pid"]
    policy = {"idle": "1h", "start_timeout": "61s", "drain_timeout": "7s", "read_timeout": "11m"}
    head, body = site.upload(JFK.read_bytes())
    with site.connection() as connection:
        connection.sendall(head + body[: len(body) // 2])
        until(lambda: site.state()["inFlight"] == 1, "the request to arrive")
        site.write(inventory({"whisper": service(**policy)}))
        steps = json.loads(site.cli("plan", "--json", status=4).stdout)["here"]
        assert {step["verb"] for step in steps} == {"change", "reload"}
        assert {step["what"] for step in steps if step["verb"] == "reload"} == {"autostart", "nginx"}
        assert "2 reloaded." in site.cli("deploy").stdout
        state = site.state()
        assert (state["pid"], state["state"], state["inFlight"], state["idleSeconds"]) == (pid, "ready", 1, 3600)
        assert site.post(JFK.read_bytes()).status_code == 200  # others need not wait
        connection.sendall(body[len(body) // 2 :])
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert site.state()["pid"] == pid
    site.write(inventory())


def test_the_hubs_token_is_for_the_deploy_alone(site: Kit) -> None:
    site.write(inventory({"whisper": service(secrets={"HF_TOKEN": "env:HF_TOKEN", "A_TOKEN": "env:A_TOKEN"})}))
    first, second = (
        {"HF_TOKEN": "hf_first0word", "A_TOKEN": "a0word"},
        {"HF_TOKEN": "hf_second0word", "A_TOKEN": "a0word"},
    )
    site.cli("deploy", **first)
    site.awake()
    pid = site.state()["pid"]
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"A_TOKEN=a0word" in environment and b"HF_HUB_OFFLINE=1" in environment
    assert b"HF_TOKEN" not in environment
    assert not any(b"hf_first0word" in content for content in _contents(site.root).values())
    assert site.cli("plan", **second).stdout.strip() == "here: nothing to do."

    # As an earlier Greffier left it.
    secrets = site.root / "etc" / "services" / "whisper" / ".env"
    secrets.write_text(secrets.read_text() + "HF_TOKEN='hf_first0word'\n")
    told = site.cli("plan", status=4, **second).stdout
    assert "HF_TOKEN changed" in told and "> restart whisper (.env changed)" in told
    site.cli("deploy", "--force", **second)
    assert "HF_TOKEN" not in secrets.read_text() and site.state()["pid"] != pid
    secrets.with_name(".env.bak").unlink()  # what --force keeps
    site.write(inventory())


@contextmanager
def _stopped_deploy(kit: Kit) -> Iterator[subprocess.Popen[bytes]]:
    """A deploy that holds the lock and does not get on."""
    lock = kit.root / "var" / ".lock"
    process = subprocess.Popen(
        kit.command("deploy"),
        env={**kit.environment, "GREFFIER_INVENTORY": str(kit.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: f'"process": {process.pid}' in lock.read_text(), "it holds the lock")
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        process.wait()


def test_two_deploys_at_once(site: Kit) -> None:
    changed(site)
    with _stopped_deploy(site) as first:
        told = site.cli("deploy", status=5).stderr
        assert f"process {first.pid}" in told and "`deploy`" in told
        assert f"process {first.pid}" in site.cli("users", "add", "late", status=5).stderr
        assert site.cli("status").stdout  # looking needs no lock
    assert first.returncode == 0
    assert site.cli("deploy").stdout.strip() == "here: nothing to do."


def test_a_deploy_that_was_killed_is_made_up_for(site: Kit) -> None:
    site.asleep()
    queue = changed(site)
    with _stopped_deploy(site) as first:
        first.kill()
    assert first.returncode == -signal.SIGKILL
    until(lambda: "nobody" in site.cli("lock", "status").stdout, "the lock is given back")
    site.cli("deploy")
    site.awake()
    assert told(site) == queue
    assert site.cli("deploy").stdout.strip() == "here: nothing to do."


def test_a_configuration_that_nginx_refuses_is_taken_back(site: Kit) -> None:
    mine = site.root / "etc" / "nginx" / "conf.d" / "greffier-mine.conf"
    mine.write_text("this_is_no_directive on;\n")
    before = _contents(site.root / "etc")
    try:
        site.write(inventory({"whisper": service(upload_limit="7M")}))
        told = site.cli("deploy", status=3).stderr
        assert "this_is_no_directive" in told and "greffier-mine.conf" in told and "keeps serving" in told
        assert _contents(site.root / "etc") == before
        assert site.http().get("/whisper/v1/models").status_code == 200
        site.cli("plan", status=4)
    finally:
        mine.unlink()
    site.cli("deploy")
    limit = site.post(b"x" * 8_000_000)
    assert limit.status_code == 413 and "7M" in limit.json()["error"]["message"]


@pytest.mark.parametrize("units", [("autostart",), ("nginx",), ("nginx", "autostart")], ids="+".join)
def test_a_deploy_heals_what_was_killed(site: Kit, units: tuple[str, ...]) -> None:
    site.awake()
    whisper, origin = site.state()["pid"], site.origin
    for unit in units:
        os.kill(int((site.root / "run" / f"{unit}.pid").read_text()), signal.SIGKILL)
    if "autostart" in units:
        until(lambda: whisper not in processes(site.root), "its service ends with autostart")
        assert "autostart not running" in site.cli("status").stdout
    if units == ("autostart",):
        answer = site.http().get("/whisper/v1/models")
        assert answer.status_code == 502 and answer.json()["error"]["code"] == "bad_gateway"
        assert "autostart is not running" in site.cli("wake", "whisper", status=3).stderr
    steps = json.loads(site.cli("plan", "--json", status=4).stdout)["here"]
    assert {step["what"] for step in steps if step["verb"] == "restart"} >= set(units)
    site.cli("deploy")
    assert site.http().get("/whisper/v1/models").status_code == 200
    assert site.cli("deploy").stdout.strip() == "here: nothing to do."
    assert site.origin == origin


def test_a_port_that_another_program_took_meanwhile(site: Kit) -> None:
    os.kill(int((site.root / "run" / "nginx.pid").read_text()), signal.SIGTERM)
    port = site.ports["https"]
    until(lambda: free(port), "nginx has ended")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        said = site.cli("deploy").stderr
        assert site.ports["https"] != port
        assert f"using {site.ports['https']}." in said
        assert site.http().get("/whisper/v1/models").status_code == 200


def test_a_service_that_is_taken_out_leaves_nothing(site: Kit) -> None:
    site.awake()
    pid = site.state()["pid"]
    there = site.path.read_text()
    site.write(inventory({"whisper": service(enabled=False)}))
    try:
        steps = json.loads(site.cli("plan", "--json", status=4).stdout)["here"]
        assert any(step["verb"] == "remove" and "greffier-service-whisper.conf" in step["what"] for step in steps)
        site.cli("deploy")
        assert not list(site.root.glob("etc/**/*whisper*"))
        # Its code stays for a rollback, until two more releases are there and `prune` is called.
        assert list(site.root.glob("opt/*/faster-whisper-*"))
        assert site.ask("status")["services"] == []
        until(lambda: pid not in processes(site.root), "its process ends")

        def refused() -> bool:
            """nginx's workers from before the reload may still take a connection for a moment."""
            answer = site.http().get("/whisper/v1/models")
            assert answer.status_code == 404
            return bool(answer.json()["error"]["code"] == "not_found")

        until(refused, "nginx knows it no more")
        assert site.cli("deploy").stdout.strip() == "here: nothing to do."
    finally:
        site.path.write_text(there)


def test_destroy_asks_first(site: Kit) -> None:
    told = site.cli("destroy", status=2)
    assert "--yes" in told.stderr and "anna" in told.stdout
    until(lambda: site.http().get("/whisper/health").status_code == 200, "it serves")


def test_two_hosts_side_by_side_take_different_ports(kit: Kit, tight: Kit) -> None:
    ports = [*kit.ports.values(), *tight.ports.values()]
    assert len(ports) == len(set(ports))
    usual = {"https": 8443, "http": 8080, "autostart": 8890, "auth": 8891, "service:whisper": 8001}
    for each in (kit, tight):
        for purpose, port in usual.items():
            other, name = each.ports[purpose], purpose.removeprefix("service:")
            sentence = f"Port {port} ({name}) is in use by another program; using {other}."
            assert (sentence in each.told) == (other != port), each.told
    with kit.openai() as one, tight.openai() as two:
        assert one.models.list().data and two.models.list().data
