"""What an operator looks at over the year, and mends: status, models, certificates, doctor, what is left over."""

import time
from pathlib import Path
from typing import Any

from tests.heard import plain
from tests.vps.host import Host
from tests.vps.laptop import JFK, MODEL, SAID, Client, Laptop, host, inventory, until

RULES = """\
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established accept
        tcp dport { 22, 443 } accept
    }
}
"""


def test_status_tells_of_memory_drift_and_the_last_request(laptop: Laptop, client: Client, alpha: Host) -> None:
    assert client.transcript() == SAID
    (seen,) = laptop.data("status")
    (whisper,) = seen["services"]
    assert whisper["state"] == "ready" and whisper["last_request"] < 60
    assert 50e6 < whisper["memory"] < whisper["memory_limit"] == 2 << 30
    assert 0 < seen["memory_free"] < seen["memory"]
    assert seen["units"] == {"nginx": True, "autostart": True} and seen["drift"] == [] and seen["by"]
    laptop.cli("sleep", "whisper")
    alpha.ssh("echo '# by hand' >>/etc/nginx/conf.d/greffier-service-whisper.conf")
    told = laptop.cli("status")
    assert "1 file was changed on the host since: `greffier plan` shows how" in told
    assert "asleep" in told and "up to 2G" in told
    laptop.cli("deploy", "--force")
    assert laptop.data("status")[0]["drift"] == []
    alpha.ssh("rm /etc/nginx/conf.d/*.bak")


def test_models_are_fetched_ahead_and_checked_to_the_last_byte(laptop: Laptop, alpha: Host) -> None:
    folder = f"/var/lib/greffier/models/{MODEL.replace('/', '--')}"
    (held,) = laptop.data("models", "list")["alpha"]
    assert (held["model"], held["state"], held["pinned"]) == (MODEL, "right", "kit")
    assert held["services"] == ["whisper"] and held["size"] > 100e6
    # A byte that went wrong, with everything else as it was.
    alpha.ssh(
        f"cd {folder} && touch -r tokenizer.json /tmp/then"
        " && printf x | dd of=tokenizer.json conv=notrunc status=none && touch -r /tmp/then tokenizer.json"
    )
    assert laptop.data("models", "list", status=3)["alpha"][0]["state"] == "damaged"
    assert f"alpha: fetched {MODEL}." in laptop.cli("models", "pull", MODEL)
    alpha.ssh(f"rm {folder}/tokenizer.json")
    assert "missing or damaged" in laptop.cli("doctor", status=3)
    assert f"alpha: fetched {MODEL}." in laptop.cli("models", "pull")
    assert "alpha: every model is present." in laptop.cli("models", "pull")
    assert "Models: " in laptop.cli("models", "pull", "somebody/else", status=2)
    assert laptop.data("models", "list")["alpha"][0]["state"] == "right"
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_the_hosts_own_certificate(laptop: Laptop, client: Client, alpha: Host) -> None:
    (before,) = laptop.data("certs", "status")
    names = ["portal.alpha.test", "whisper.alpha.test"]
    assert before["own"] and set(before["names"]) >= set(names)  # those of services that are gone may stand in it
    assert before["days"] in (88, 89) and before["renewal"].startswith("renewed by deploy, from ")
    serial = "openssl x509 -noout -serial -in /etc/greffier/tls/greffier/fullchain.pem"
    old = alpha.ssh(serial)
    assert "alpha: renewed" in laptop.cli("certs", "renew")
    assert alpha.ssh(serial) != old
    assert laptop.data("certs", "status")[0]["names"] == names
    assert client.transcript() == SAID
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_the_doctor_sees_a_firewall_and_what_belongs_to_nothing(laptop: Laptop, alpha: Host) -> None:
    alpha.ssh("docker create --name greffier-gone $(docker images -q greffier/faster-whisper | head -1)")
    alpha.write("/tmp/rules", RULES)
    alpha.ssh("apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get install -qy nftables && nft -f /tmp/rules")
    try:
        told = {f["found"]: f["advice"] for f in laptop.data("doctor", status=3)["alpha"]}
    finally:
        alpha.ssh("nft delete table inet filter")
    assert "dport 80 accept" in told["nftables is active, and no rule that could be read opens 80"]
    assert told["greffier-gone no longer belongs to a service"] == "Run `greffier prune` to remove it."
    assert "greffier-gone" in laptop.cli("prune", "--yes")
    assert "greffier-gone" not in alpha.ssh("docker ps --all --format '{{.Names}}'")


HOOK = """
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/tmp/told", "ab") as told:
            told.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 9999), Hook).serve_forever()
"""


def test_somebody_is_told_of_a_service_that_fails(laptop: Laptop, client: Client, alpha: Host) -> None:
    content = inventory({"alpha": host("alpha")})
    alpha.write("/tmp/hook.py", HOOK)
    alpha.ssh("rm -f /tmp/told; systemd-run --unit hook python3 /tmp/hook.py")
    look = "systemctl start greffier-notify && tail -1 /tmp/told"
    try:
        laptop.write({**content, "notify": {"webhook": "env:HOOK"}})
        laptop.cli("deploy", HOOK="http://127.0.0.1:9999/s3cret")
        assert laptop.cli("plan", HOOK="http://127.0.0.1:9999/s3cret").strip() == "alpha: nothing to do."
        assert "Greffier will notify you here" in alpha.ssh(look)
        assert alpha.ssh("systemctl is-active greffier-notify.timer").strip() == "active"
        assert "s3cret" not in alpha.ssh("journalctl -u greffier-notify; cat /etc/systemd/system/greffier-notify.*")
        named = "docker ps --all --filter label=greffier.service=whisper --format '{{.Names}}'"
        container = alpha.ssh(named).strip()
        alpha.ssh(f"docker rename {container} aside")
        laptop.cli("sleep", "whisper")
        laptop.cli("wake", "whisper", status=3)
        assert "alpha: whisper failed: " in alpha.ssh(look)
        alpha.ssh(f"docker rename aside {container}")
        until(lambda: "is ready" in laptop.cli("wake", "whisper"), "it starts again")
        assert "alpha: whisper has recovered." in alpha.ssh(look)
    finally:
        alpha.ssh("systemctl stop hook; rm -f /tmp/hook.py /tmp/told")
        laptop.write(content)
        laptop.cli("deploy")
    assert alpha.ssh("systemctl is-active greffier-notify.timer || true").strip() == "inactive"
    assert alpha.ssh("ls -d /etc/greffier/notify /var/lib/greffier-notify 2>&1 || true").count("No such file") == 2
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_a_job_survives_a_power_cut_and_comes_back_from_a_backup(
    laptop: Laptop, client: Client, alpha: Host, tmp_path: Path
) -> None:
    pair = {"user_uuid": "anna", "message_id": f"{time.time_ns()}"}
    laptop.cli("sleep", "whisper")
    with client.http() as http:
        path = "/v1/audio/transcriptions"
        handed = [
            http.post(
                path,
                data={**pair, "message_id": f"{pair['message_id']}-{number}"},
                files={"file": ("a.wav", JFK.read_bytes())},
            )
            for number in range(4)
        ]
        assert [answer.status_code for answer in handed] == [200] * 4
    alpha.power_cut()

    def looked_up(number: int) -> dict[str, Any]:
        with client.http() as http:
            asked = {**pair, "message_id": f"{pair['message_id']}-{number}"}
            found: dict[str, Any] = http.get(f"{path}/lookup", params=asked).json()
            return found

    # Nobody asks for the service: its jobs wake it.
    folder = "/var/lib/greffier/jobs/whisper"
    until(lambda: alpha.ssh(f"ls {folder}").split().count("wake_at") == 0, "all are done", 300)
    assert [plain(looked_up(number)["text"]) for number in range(4)] == [SAID] * 4
    assert alpha.ssh(f"ls {folder}/recordings").split() == []
    assert alpha.ssh(f"stat --format %a {folder}/recordings").strip() == "700"

    archive = tmp_path / "alpha.tar.gz"
    laptop.cli("backup", "--out", str(archive))
    with client.http() as http:
        assert http.delete(path, params={"user_uuid": "anna"}).json() == {"deleted": 4}
    assert looked_up(0) == {"found": False}
    laptop.cli("restore", str(archive), "--yes")
    laptop.cli("deploy")
    assert plain(looked_up(3)["text"]) == SAID
