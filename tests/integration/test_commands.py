"""The commands that an operator and a caller use from day to day."""

import base64
import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.heard import plain
from tests.integration.kit import JFK, MODEL, SAID, Kit, until


def _status_of(kit: Kit, key: str) -> int:
    with kit.http(key=key) as client:
        return client.get("/whisper/health").status_code


def test_users_come_change_and_go_at_once(kit: Kit) -> None:
    applied = (kit.root / "var" / ".applied.json").read_bytes()
    made = json.loads(kit.cli("users", "add", "bob", "--json").stdout)
    assert _status_of(kit, made["api_key"]) == 200
    assert base64.b64decode(made["api_key"] + "==").decode() == f"bob:{made['password']}"
    assert "bob" in kit.cli("users", "add", "bob", status=2).stderr

    rotated = json.loads(kit.cli("users", "rotate", "bob", "--json").stdout)
    assert (_status_of(kit, made["api_key"]), _status_of(kit, rotated["api_key"])) == (401, 200)
    assert _status_of(kit, kit.api_key) == 200  # nobody else's

    listed = kit.cli("users", "list", "--json").stdout
    assert {"name": "bob", "advice": ""} in json.loads(listed)
    assert "bob" in kit.cli("users", "list").stdout
    htpasswd = (kit.root / "etc" / "htpasswd").read_text()
    assert rotated["password"] not in htpasswd and "{SSHA}" not in listed
    assert (kit.root / "etc" / "htpasswd").stat().st_mode & 0o777 == 0o640

    kit.cli("users", "remove", "bob")
    assert _status_of(kit, rotated["api_key"]) == 401
    assert "anna" in kit.cli("users", "remove", "bob", status=2).stderr
    assert (kit.root / "var" / ".applied.json").read_bytes() == applied  # none of it was a deploy


def test_users_of_another_htpasswd(kit: Kit, tmp_path: Path) -> None:
    lines = {
        "carol": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",  # secret
        "dave": "$apr1$Kl2zC3d4$kR6vH7Yp0hGfQ8B1ZGdmU.",
        "erin": "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
        "anna": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "bad name": "x",
    }
    path = tmp_path / "htpasswd"
    path.write_text("".join(f"{name}:{value}\n" for name, value in lines.items()))
    told = kit.cli("users", "import", str(path)).stdout
    try:
        assert "3 imported, 2 skipped" in told and "anna already exists" in told and "line 5" in told
        assert re.search(r"erin: slow", told) and re.search(r"carol: weak", told)
        carol = base64.b64encode(b"carol:secret").decode()
        assert _status_of(kit, carol) == 200 and _status_of(kit, kit.api_key) == 200
        rotated = json.loads(kit.cli("users", "rotate", "carol", "--json").stdout)
        assert (_status_of(kit, carol), _status_of(kit, rotated["api_key"])) == (401, 200)
    finally:
        for name in ("carol", "dave", "erin"):
            kit.cli("users", "remove", name)


def test_import_may_rotate(kit: Kit, tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text("frank:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    told = kit.cli("users", "import", "--rotate", str(path)).stdout
    try:
        found = re.search(r"API key +(\S+)", told)
        assert found and _status_of(kit, found[1]) == 200
        assert _status_of(kit, base64.b64encode(b"frank:secret").decode()) == 401
    finally:
        kit.cli("users", "remove", "frank")


def test_wake_status_sleep(kit: Kit) -> None:
    kit.asleep()
    assert kit.cli("wake", "whisper").stdout.strip() == "whisper is ready."
    (host,) = json.loads(kit.cli("status", "--json").stdout)
    assert host["units"] == {"nginx": True, "autostart": True}
    whisper = next(service for service in host["services"] if service["name"] == "whisper")
    assert whisper["state"] == "ready" and whisper["url"] == f"{kit.origin}/whisper/v1"
    assert whisper["model"] == MODEL and whisper["in_flight"] == 0
    assert 50e6 < whisper["memory"] < host["memory"]
    row = next(line for line in kit.cli("status").stdout.splitlines() if line.startswith("whisper\t"))
    assert row.split("\t")[1] == "ready" and row.endswith(f"{kit.origin}/whisper/v1")
    assert kit.cli("sleep", "whisper").stdout.strip() == "whisper is asleep."
    assert kit.state()["state"] == "asleep"
    assert "whisper" in kit.cli("wake", "whisperer", status=2).stderr


def test_sleep_spares_a_request(kit: Kit) -> None:
    kit.awake("echo")
    with kit.connection() as connection:
        head = ("POST /echo/v1/x HTTP/1.1", "Host: localhost", f"Authorization: Bearer {kit.api_key}")
        connection.sendall("\r\n".join([*head, "Content-Length: 10", "", "12345"]).encode())
        until(lambda: kit.state("echo")["inFlight"], "the request is under way")
        told = kit.cli("sleep", "echo", status=3).stderr
        assert "echo" in told and "in flight" in told
        connection.sendall(b"67890")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert kit.state("echo")["state"] == "ready"


def test_logs(kit: Kit) -> None:
    kit.transcribed()
    assert "POST /v1/audio/transcriptions 200" in kit.cli("logs", "whisper").stdout
    assert len(kit.cli("logs", "whisper", "--lines", "1").stdout.splitlines()) == 1
    assert '"new": "ready"' in kit.cli("logs", "autostart").stdout
    kit.cli("logs", "nginx")
    assert "whisper" in kit.cli("logs", "nothing", status=2).stderr


def test_logs_are_followed_until_ctrl_c(kit: Kit) -> None:
    kit.awake()
    process = subprocess.Popen(
        kit.command("logs", "whisper", "--follow", "--lines", "1"),
        env={**kit.environment, "GREFFIER_INVENTORY": str(kit.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout and process.stdout.readline()  # it has begun
        with kit.http() as client:
            answer = client.get("/whisper/v1/models")
        identity = answer.headers["x-request-id"]
        assert any(identity in line for line in process.stdout)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130 and "Traceback" not in errors


def test_no_key_and_no_word_is_in_a_log(kit: Kit) -> None:
    kit.transcribed()
    with kit.http(key="") as client:
        client.get("/whisper/v1/models", headers={"Authorization": f"Bearer {kit.api_key}x"})
    for log in (kit.root / "log").iterdir():
        text = log.read_text(errors="replace")
        assert kit.api_key not in text and kit.password not in text, log
        assert "fellow americans" not in plain(text), log


def test_transcribe(kit: Kit) -> None:
    done = kit.cli("transcribe", str(JFK), GREFFIER_API_KEY=kit.api_key)
    assert plain(done.stdout) == SAID and done.stdout.endswith("\n") and done.stdout.count("\n") == 1
    assert kit.api_key not in done.stderr


@pytest.mark.parametrize(("form", "begins"), [("srt", "1\n00:00:00,"), ("verbose_json", '{"')])
def test_transcribe_to_a_file(kit: Kit, tmp_path: Path, form: str, begins: str) -> None:
    out = tmp_path / "speech"
    words = ("transcribe", str(JFK), "--service", "whisper", "-f", form, "-l", "en", "-o", str(out))
    done = kit.cli(*words, GREFFIER_API_KEY=kit.api_key)
    assert done.stdout == "" and str(out) in done.stderr
    text = out.read_text()
    assert text.startswith(begins) and "fellow americans" in plain(text)


def test_transcribe_says_what_is_wrong(kit: Kit, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("no sound")
    told = kit.cli("transcribe", str(JFK), GREFFIER_API_KEY="wrong", status=3).stderr
    assert "invalid API key" in told and "users add" in told
    assert "GREFFIER_API_KEY" in kit.cli("transcribe", str(JFK), GREFFIER_API_KEY="", status=2).stderr
    key = {"GREFFIER_API_KEY": kit.api_key}
    assert "is text, not audio" in kit.cli("transcribe", str(letter), **key, status=3).stderr
    assert "nothing.wav" in kit.cli("transcribe", str(tmp_path / "nothing.wav"), **key, status=2).stderr
    assert "srt" in kit.cli("transcribe", str(JFK), "-f", "docx", **key, status=2).stderr
    told = kit.cli("transcribe", str(JFK), "--track", "2", **key, status=3).stderr
    assert "The file has no audio track 2; it has 1: 1 (1 channel)." in told


def test_transcribe_as_it_is_made_without_an_inventory(kit: Kit, tmp_path: Path) -> None:
    about = {"GREFFIER_API_KEY": kit.api_key, "SSL_CERT_FILE": kit.authority, "NO_PROXY": "localhost"}
    base = ("--base-url", f"{kit.origin}/whisper/v1")
    nothing = {"GREFFIER_INVENTORY": str(tmp_path / "none.yml")}
    done = kit.cli("transcribe", str(JFK), "--stream", *base, **about, **nothing)
    assert plain(done.stdout) == SAID and done.stdout.count("\n") == 1
    folder = tmp_path / "texts"
    done = kit.cli("transcribe", str(JFK), str(JFK), "-f", "srt", "-o", str(folder), *base, **about, **nothing)
    assert done.stdout == "" and sorted(path.name for path in folder.iterdir()) == ["jfk-2.srt", "jfk.srt"]
    assert "fellow americans" in plain((folder / "jfk.srt").read_text())
    with JFK.open("rb") as sound:
        words = kit.command("transcribe", "-", *base)
        piped = subprocess.run(
            words, stdin=sound, env={**kit.environment, **about}, capture_output=True, text=True, check=True
        )
    assert plain(piped.stdout) == SAID
