"""What an operator does with a host over the year: deploys, changes, mishaps, and the end."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.vps.host import Host
from tests.vps.laptop import (
    CONTAINER,
    MODEL,
    SAID,
    Client,
    Laptop,
    host,
    inventory,
    service,
    serving_again,
    spoken,
    until,
)

ALPHA = {"alpha": host("alpha")}


def tuned(queue: int, **more: object) -> dict[str, object]:
    """The standard inventory with one value changed that the container gets."""
    return inventory(ALPHA, {"whisper": service(environment={"STT_QUEUE": str(queue)}, **more)})


def test_from_a_deploy_to_a_transcript_and_to_sleep(laptop: Laptop, client: Client) -> None:
    laptop.write(inventory(ALPHA, {"whisper": service(idle="2s")}))
    laptop.cli("deploy")
    until(lambda: laptop.state()["state"] == "asleep", "it sleeps when it is idle")
    assert client.transcript() == SAID
    assert laptop.state()["state"] in ("ready", "draining", "asleep")
    until(lambda: laptop.state()["state"] == "asleep", "it sleeps again")
    with client.http(key="") as stranger:
        assert stranger.get("/v1/models").status_code == 401
    with client.http("portal.alpha.test") as portal:
        assert portal.get("/whisper/v1/models").json()["data"]


def test_a_second_deploy_has_nothing_to_do(laptop: Laptop, alpha: Host) -> None:
    before = alpha.ssh("find /etc/greffier /opt/greffier /var/lib/greffier -printf '%p %T@\\n' | grep -v /.lock | sort")
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
    assert laptop.cli("deploy").strip() == "alpha: nothing to do."
    after = alpha.ssh("find /etc/greffier /opt/greffier /var/lib/greffier -printf '%p %T@\\n' | grep -v /.lock | sort")
    assert before == after
    assert "already set up" in laptop.cli("setup", "alpha")


def test_a_changed_line_changes_what_it_says_and_nothing_else(laptop: Laptop, alpha: Host) -> None:
    made = f"docker inspect --format '{{{{.Created}}}}' {CONTAINER}"
    container = alpha.ssh(made)
    laptop.write(inventory(ALPHA, {"whisper": service(idle="11m")}))
    steps = laptop.data("plan", status=4)["alpha"]
    assert [(step["verb"], step["what"]) for step in steps] == [
        ("change", "/etc/greffier/autostart/config.json"),
        ("reload", "autostart"),
    ]
    laptop.cli("deploy")
    assert alpha.ssh(made) == container
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_back_to_the_release_before(laptop: Laptop, client: Client, alpha: Host) -> None:
    queue = f"docker inspect --format '{{{{.Config.Env}}}}' {CONTAINER} | grep -o 'QUEUE=.' || true"
    laptop.write(tuned(3))
    laptop.cli("deploy")
    assert alpha.ssh(queue).strip() == "QUEUE=3"
    laptop.cli("rollback")
    assert alpha.ssh(queue) == ""
    assert client.transcript() == SAID
    steps = laptop.data("audit")
    assert len(steps) >= 3 and all(entry["by"] and entry["at"] for entry in steps)
    assert "is not kept" in laptop.cli("rollback", "999", status=2)


def test_a_reboot(laptop: Laptop, client: Client, alpha: Host) -> None:
    laptop.cli("wake", "whisper")
    alpha.reboot()
    serving_again(alpha)
    assert client.transcript() == SAID
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_the_other_verbs(laptop: Laptop, client: Client, alpha: Host, tmp_path: Path) -> None:
    assert client.transcript() == SAID
    assert "GET /ready" not in laptop.cli("logs", "whisper", "-n", "5")
    assert "/v1/audio/transcriptions" in laptop.cli("logs", "whisper")
    assert '"ready"' in laptop.cli("logs", "autostart")
    assert "whisper is ready." in laptop.cli("restart", "whisper")
    assert "whisper is asleep." in laptop.cli("sleep", "whisper")
    found = {f["what"]: f for f in laptop.data("doctor", status=3)["alpha"]}
    # This machine does not know the test hosts' names; all else is well.
    assert [name for name, finding in found.items() if finding["advice"]] == ["DNS"]
    assert laptop.cli("lock", "status").strip() == "alpha: nobody"
    archive = tmp_path / "alpha.tar.gz"
    laptop.cli("backup", "--out", str(archive))
    laptop.cli("users", "add", "late")
    assert "is in use" in laptop.cli("restore", str(archive), status=2)
    laptop.cli("restore", str(archive), "--yes")
    laptop.cli("deploy")
    assert [user["name"] for user in laptop.data("users", "list")] == ["anna"]
    assert client.transcript() == SAID
    alpha.ssh("docker tag $(docker images -q greffier/faster-whisper | head -1) greffier/faster-whisper:old")
    assert "greffier/faster-whisper:old" in laptop.cli("prune", "--yes")
    assert "nothing to prune" in laptop.cli("prune", "--yes")


def test_a_file_that_was_changed_on_the_host(laptop: Laptop, alpha: Host) -> None:
    path = "/etc/greffier/autostart/config.json"
    alpha.ssh(f'sed -i \'s/"blocking": true/"blocking": false/\' {path} && chmod 600 {path}')
    told = laptop.cli("plan", status=4)
    assert '-      "blocking": false' in told and "changed on the host" in told
    refused = laptop.cli("deploy", status=3)
    assert path in refused and "--force" in refused
    assert "false" in alpha.ssh(f"cat {path}") and "none" in alpha.ssh(f"ls {path}.bak || echo none")
    laptop.cli("deploy", "--force")
    assert "false" in alpha.ssh(f"cat {path}.bak")
    assert alpha.ssh(f"stat -c '%a %U:%G' {path}.bak {path}").split("\n")[:2] == [
        "600 root:greffier",
        "640 root:greffier",
    ]
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_a_release_that_does_not_start_is_taken_back(laptop: Laptop, client: Client, alpha: Host) -> None:
    release = laptop.data("status")[0]["release"]
    running = "docker ps --all --no-trunc --format '{{.ID}} {{.Names}}'"
    broken = inventory(ALPHA, {"whisper": service(environment={"STT_QUEUE": "many"})})
    # Awake, it serves on while the new one fails beside it; asleep, it is brought back.
    assert client.transcript() == SAID
    before = alpha.ssh(running)
    laptop.write(broken)
    told = laptop.cli("deploy", status=3)
    assert "STT_QUEUE" in told and f"Release {release} keeps serving" in told
    assert laptop.state()["state"] == "ready" and alpha.ssh(running) == before
    laptop.cli("sleep", "whisper")
    told = laptop.cli("deploy", status=3)
    assert "STT_QUEUE" in told and f"Release {release} serves again" in told
    assert client.transcript() == SAID
    laptop.write(inventory(ALPHA))
    assert laptop.cli("deploy").strip() == "alpha: nothing to do."


def test_a_new_release_starts_beside_the_one_that_serves(laptop: Laptop, client: Client, alpha: Host) -> None:
    laptop.cli("wake", "whisper")
    before = alpha.ssh("docker ps --format '{{.Names}}'")
    with ThreadPoolExecutor(1) as pool:
        # A sentence said again and again looks like a loop; without fallback it takes a time that can be foreseen.
        long = pool.submit(client.transcript, spoken(30), temperature=0.2)
        until(lambda: laptop.state()["in_flight"], "it is at work")
        laptop.write(tuned(4))
        with laptop.start("deploy") as process:
            assert process.stderr
            told = next(line for line in process.stderr if line.startswith("Draining the previous whisper"))
            # The old one is at work still, and the new one serves already.
            assert told and not long.done()
            assert "QUEUE=4" in alpha.ssh("docker inspect --format '{{.Config.Env}}' $(docker ps --quiet | head -1)")
            assert client.transcript() == SAID
            assert not long.done()
            process.communicate()
        assert process.returncode == 0
        assert long.done() and long.result().count("fellow americans") > 3
    after = alpha.ssh("docker ps --all --format '{{.Names}}'")
    assert {before.strip(), after.strip()} == {"greffier-whisper", "greffier-whisper_2"}
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_a_restart_lets_nobody_wait(laptop: Laptop, client: Client, alpha: Host) -> None:
    laptop.cli("wake", "whisper")
    before, books = alpha.ssh("docker ps --format '{{.Names}}'").strip(), laptop.data("audit")
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(client.transcript, spoken(30), temperature=0.2)
        until(lambda: laptop.state()["in_flight"], "it is at work")
        with laptop.start("restart", "whisper") as process:
            assert process.stderr
            assert any(line.startswith("Draining the previous whisper") for line in process.stderr)
            assert client.transcript() == SAID  # by the new one, while the old one is at work
            assert not long.done()
            process.communicate()
        assert process.returncode == 0
        assert long.result().count("fellow americans") > 3
    after = alpha.ssh("docker ps --all --format '{{.Names}}'").strip()
    assert {before, after} == {"greffier-whisper", "greffier-whisper_2"}
    laptop.cli("restart", "whisper")  # and back again
    assert alpha.ssh("docker ps --all --format '{{.Names}}'").strip() == before
    # It is the same release in another container: nothing to deploy, nothing to go back from.
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
    assert laptop.data("audit") == books
    laptop.cli("sleep", "whisper")
    assert "whisper is ready." in laptop.cli("restart", "whisper")  # nobody had to make way for it
    assert alpha.ssh("docker ps --format '{{.Names}}'").strip() == before


def test_two_at_once_only_where_memory_allows(laptop: Laptop, client: Client, alpha: Host) -> None:
    whole = int(alpha.ssh("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
    laptop.write(tuned(5, memory=f"{whole // 1024 - 50}M"))
    laptop.cli("wake", "whisper")
    told = laptop.cli("deploy")
    assert "may not fit in memory" in told and "Draining whisper; queueing" in told
    assert client.transcript() == SAID


def test_a_secret_is_seen_nowhere_and_restarts_what_it_is_of(laptop: Laptop, alpha: Host) -> None:
    other = {"kind": "faster-whisper", "model": MODEL, "port": 8010, "idle": "10m"}
    named = {"whisper": service(secrets={"A_TOKEN": "env:A_TOKEN", "HF_TOKEN": "env:HF_TOKEN"}), "other": other}
    laptop.write(inventory(ALPHA, named))
    first, second = "first0secret0word", "second0secret0word"
    hub, later = "hf_first0secret0word", "hf_second0secret0word"
    laptop.cli("deploy", A_TOKEN=first, HF_TOKEN=hub)
    containers = f"{CONTAINER} {CONTAINER.replace('whisper', 'other')}"
    made = f"docker inspect --format '{{{{.Created}}}}' {containers}"
    before = alpha.ssh(made).split("\n")
    # The hub's token is for the deploy: no container has it, and another one changes nothing.
    assert laptop.cli("deploy", A_TOKEN=first, HF_TOKEN=later).strip() == "alpha: nothing to do."
    assert "HF_TOKEN" not in alpha.ssh(f"docker inspect {CONTAINER}; cat /etc/greffier/services/*/.env")
    plan = laptop.cli("plan", status=4, A_TOKEN=second, HF_TOKEN=hub)
    assert "A_TOKEN changed" in plan and "restart whisper" in plan and "other" not in plan
    with laptop.start("deploy", A_TOKEN=second, HF_TOKEN=hub) as process:
        seen = ""
        while process.poll() is None:
            seen += alpha.ssh("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
        out, err = process.communicate()
    assert process.returncode == 0, err
    after = alpha.ssh(made).split("\n")
    assert before[0] != after[0] and before[1] == after[1]
    assert second in alpha.ssh(f"docker inspect --format '{{{{.Config.Env}}}}' {CONTAINER}")
    kept = alpha.ssh("cat /var/lib/greffier/.applied.json /var/lib/greffier/releases/* /var/lib/greffier/audit.jsonl")
    files = "find /var/log/nginx /var/log/greffier -type f -exec cat {} +"
    logs = alpha.ssh(f"journalctl --no-pager; docker logs {CONTAINER} 2>&1; {files}")
    for text in (seen, out, err, plan, kept, logs):
        assert first not in text and second not in text
    # What is no longer wanted goes, container and all.
    laptop.write(inventory(ALPHA))
    laptop.cli("deploy")
    assert alpha.ssh("docker ps --all --format '{{.Names}}'").split()[0].startswith("greffier-whisper")
    assert alpha.ssh("ls /etc/greffier/services").split() == ["whisper"]
