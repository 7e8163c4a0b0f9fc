"""What commands say of a host is what is there, whatever the inventory says by now and whoever does not answer."""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from deploy import ROOT
from deploy.errors import KitError
from deploy.rollout import apply, survey, verify
from deploy.transport import asking
from deploy.transport.connection import Connection
from tests.unit.conftest import Run
from tests.unit.desk import INVENTORY, Desk, ssh

RECORD = "/var/lib/greffier/.applied.json"
ONE_IS_OFF = """\
hosts: {vps: {domain: vps.test, address: 127.0.0.1, tls: {mode: internal}}, gone: {domain: gone.test}}
services: {whisper: {kind: faster-whisper, host: vps}, far: {kind: faster-whisper, host: gone}}
"""


def rewrite(desk: Desk, path: str, content: bytes) -> None:
    """Another content of a file of the host."""
    files = json.loads((desk.folder / "host").read_text())
    (desk.folder / "host").write_text(json.dumps(files | {path: base64.b64encode(content).decode()}))


def kept(desk: Desk, path: str) -> Any:
    return json.loads(base64.b64decode(json.loads((desk.folder / "host").read_text())[path]))


def off(desk: Desk) -> None:
    """A second host that is off, and a file with a line for each time that somebody knocks."""
    script = (desk.folder / "bin/ssh").read_text().partition("\n")[2]
    knock = f"echo x >>{desk.folder}/knocks; echo 'No route to host' >&2; exit 255"
    ssh(desk.folder, f'case "$*" in -G*) ;; *gone.test*) {knock};; esac\n{script}')
    (desk.folder / "inventory.yml").write_text(ONE_IS_OFF)


def services(desk: Desk) -> dict[str, dict[str, Any]]:
    (host,) = json.loads(desk.says("status --json").out)
    return {service["name"]: service for service in host["services"]}


def test_status_shows_what_was_deployed_and_what_the_inventory_has_otherwise(desk: Desk) -> None:
    before = services(desk)["whisper"]
    assert before["model"] == "Systran/faster-whisper-small" and before["deviation"] == ""
    new = "kind: faster-whisper, model: Systran/faster-whisper-base, memory: 3G, hostname: speech.vps.test"
    (desk.folder / "inventory.yml").write_text(INVENTORY.replace("kind: faster-whisper", new))
    after = services(desk)["whisper"]
    assert {**after, "deviation": "", "url": ""} == {**before, "url": ""}
    assert after["url"] == "https://whisper.vps.test/v1"
    said = "not deployed yet: the model Systran/faster-whisper-base, 3G of memory, the name speech.vps.test"
    assert after["deviation"] == said and f"whisper: {said}" in desk.says("status").out
    (desk.folder / "inventory.yml").write_text(INVENTORY.replace("whisper: {", "other: {port: 9000, "))
    found = services(desk)
    assert found["other"]["state"] == "not deployed" and found["whisper"]["state"] == "asleep"
    assert "the next deploy removes it" in found["whisper"]["deviation"]


def test_a_mistake_in_the_inventory_blocks_nobody_who_looks(desk: Desk) -> None:
    wrong = INVENTORY.replace("kind: faster-whisper", "kind: faster-whisper, idle: soon, modle: x")
    (desk.folder / "inventory.yml").write_text(wrong + "portal: {enabld: true}\n")
    for command in ("status", "certs status", "audit", "users list", "lock status", "logs whisper", "wake whisper"):
        said = desk.says(command)
        assert said.status == 0, (command, said)
    said = desk.says("status")
    assert "inventory.yml:2:44: services.whisper.idle: 'soon' is not a duration" in said.err
    assert "did you mean 'enabled'?" in said.err and "Fix the inventory before the next deploy." in said.err
    assert "whisper\tasleep" in said.out
    findings = json.loads(desk.says("doctor --json").out)["vps"]
    assert "'soon' is not a duration" in findings[0]["found"] and findings[0]["what"] == "inventory"
    for command in ("plan", "deploy --force", "rollback --force", "destroy --yes"):
        assert desk.says(command).status == 2, command
    (desk.folder / "inventory.yml").write_text("hosts: {vps: {adress: 127.0.0.1}}\n")
    assert desk.says("status").status == 2  # nobody can say where the host is


def test_a_deploy_that_was_cut_off_is_told_until_it_is_finished(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def ctrl_c(*_: object) -> None:
        raise KeyboardInterrupt

    assert "cut off" not in desk.says("status").out
    (desk.folder / "inventory.yml").write_text(INVENTORY.replace("faster-whisper", "faster-whisper, read_timeout: 9s"))
    with monkeypatch.context() as patch:
        patch.setattr(apply, "_fetch", ctrl_c)
        said = desk.says("deploy", keep=True)
    assert said.status == 130 and "Interrupted before anything in service was changed." in said.err
    assert "cut off" not in desk.says("status").out
    with monkeypatch.context() as patch:
        patch.setattr(apply, "_check", ctrl_c)
        said = desk.says("deploy", keep=True)
    assert said.status == 130 and "Interrupted: vps has only part of this deploy" in said.err
    assert "Run `greffier deploy` to finish it." in said.err
    assert "a deploy was interrupted: run `greffier deploy` to finish it" in desk.says("status").out
    assert json.loads(desk.says("status --json").out)[0]["owed"] is True
    assert {f["what"]: f for f in json.loads(desk.says("doctor --json").out)["vps"]}["deploy"]["advice"]
    assert desk.says("deploy", keep=True).status == 0
    assert "cut off" not in desk.says("status").out


def test_a_host_that_is_off_costs_the_others_nothing(desk: Desk) -> None:
    off(desk)
    said = desk.says("plan")
    assert said.status == 3 and "vps" in said.out and "restart" in said.out + said.err
    assert "Error: gone.test cannot be reached." in said.err and "1 of 2 hosts failed: gone." in said.err
    failure = {"error": "gone.test cannot be reached.", "hint": "Check the address and your network."}
    assert json.loads(desk.says("plan --json").out)["gone"] == failure
    for command, name in (("status --json", "name"), ("certs status --json", "host")):
        found = json.loads(desk.says(command).out)
        assert [entry[name] for entry in found] == ["vps", "gone"] and found[1] == {name: "gone", **failure}, command
    found = json.loads(desk.says("models list --json").out)
    assert found["gone"] == failure and found["vps"][0]["model"] == "Systran/faster-whisper-small"


def test_nor_does_it_where_somebody_is_asked(desk: Desk) -> None:
    off(desk)
    (desk.folder / "inventory.yml").write_text(
        ONE_IS_OFF.replace("{vps", "{gone: {domain: gone.test}, vps", 1).replace(", gone: {domain: gone.test}}", "}")
    )
    for command in ("prune --yes", "destroy --yes"):
        said = desk.says(command)
        assert said.status == 3 and "Error: gone.test cannot be reached." in said.err and "vps: " in said.out, command
        assert "1 of 2 hosts failed: gone." in said.err


def test_the_doctor_knocks_once_and_says_once_that_nobody_answers(desk: Desk) -> None:
    off(desk)
    said = desk.says("doctor --host gone")
    assert said.status == 3 and (desk.folder / "knocks").read_text() == "x\n"
    assert said.out.count("gone.test cannot be reached.") == 1 and "✗ host: gone.test cannot be reached." in said.out
    (desk.folder / "inventory.yml").write_text(INVENTORY)
    count = len(desk.operations("doctor"))
    for at in (1, count // 2, count - 1):
        found = json.loads(desk.says("doctor --json", fault=[at, "ends"]).out)["vps"]
        told = [finding["found"] for finding in found if "The connection" in finding["found"]]
        assert len(told) == 1 and all(f["advice"] for f in found if f["found"] in told), (at, told)


def test_a_backup_is_not_put_over_what_serves_without_asking(desk: Desk) -> None:
    said = desk.says("restore old.tar.gz", keep=True)
    assert said.status == 2 and "vps is in use. Restoring old.tar.gz overwrites" in said.out
    assert "~ release 2 of 20" in said.out and "~ the users anna" in said.out and "Pass --yes" in said.err
    assert RECORD in json.loads((desk.folder / "host").read_text())
    said = desk.says("restore old.tar.gz --yes", keep=True)
    assert said.status == 0 and RECORD not in json.loads((desk.folder / "host").read_text())


def test_rollback_and_the_book_say_what_was_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.folder / "inventory.yml").write_text(INVENTORY.replace("faster-whisper", "faster-whisper, read_timeout: 9s"))
    assert desk.says("deploy --service whisper", keep=True).status == 0
    monkeypatch.setattr(survey, "require", lambda *_: asking.known(None))  # paper has no images
    said = desk.says("rollback", keep=True)
    assert "vps: rolled back from release 3 to 2. This is now release 4." in said.out
    assert "`greffier rollback 3` does the same" in said.out

    failures = [KitError("It fails.")]

    def guarded(*_: object) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(verify, "guarded", guarded)
    (desk.folder / "inventory.yml").write_text(INVENTORY.replace("faster-whisper", "faster-whisper, read_timeout: 8s"))
    said = desk.says("deploy", keep=True)
    assert said.status == 3 and "Release 4 serves again." in said.err
    book = json.loads(desk.says("audit --json").out)
    assert [(entry["release"], entry["did"]) for entry in book] == [
        (1, "deploy"), (2, "deploy"), (3, "deploy of whisper alone"), (4, "rollback to 2"),
        (4, "deploy, rolled back: It fails."),
    ]  # fmt: skip
    lines = desk.says("audit").out.splitlines()
    assert lines[0].endswith("did\tsteps") and "\trollback to 2\t+ autostart's environment" in lines[4]


def test_models_that_others_use_stay(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("hosts: {me: {runtime: process}}\nservices: {w: {kind: faster-whisper}}\n")
    model = tmp_path / "cache/greffier/models/Systran--faster-whisper-small/model.bin"
    model.parent.mkdir(parents=True)
    model.write_text("of another checkout too")
    assert run("users", "add", "ana").status == 0
    said = run("destroy", "--volumes", "--yes")
    assert said.status == 0 and model.exists() and not (tmp_path / ".greffier/me").exists()
    assert f"Models stay in {tmp_path}/cache/greffier/models, shared by every deployment on this machine." in said.out
    assert "model.bin" not in said.out and "the model" not in said.out


ASKING = """
import sys
sys.path.insert(0, {root!r})
from types import SimpleNamespace
from deploy.cli import progress, terminal
with progress.reporter() as report, report.step("Proving another"):
    terminal.consent(report, force=False)(SimpleNamespace(name="vps"), ["/etc/x"])
print("agreed")
"""


def test_a_question_stays_on_the_terminal_until_it_is_answered(tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text(ASKING.format(root=str(ROOT)))
    child = pexpect.spawn(sys.executable, [str(tmp_path / "asking.py")], encoding="utf-8", timeout=30, env=os.environ)
    child.expect_exact("Overwrite them, keeping each as .bak? [y/N] ")
    assert child.expect([pexpect.TIMEOUT, r".+"], timeout=1) == 0  # nothing is drawn over it
    child.sendline("y")
    child.expect_exact("agreed")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize(("command", "most"), [("plan", 2), ("plan --service whisper", 3)])
def test_a_host_is_asked_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch, command: str, most: int) -> None:
    """One service alone depends on the release that there is, which is read in between."""
    made: list[Connection] = []
    begin = Connection.__init__

    def noted(connection: Connection, *arguments: Any, **more: Any) -> None:
        made.append(connection)
        begin(connection, *arguments, **more)

    monkeypatch.setattr(Connection, "__init__", noted)
    desk.says(command)
    assert [connection.rounds for connection in made] == [most]
