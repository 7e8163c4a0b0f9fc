"""Services that are not built on the host: somebody else's container, and an image that is made on the laptop."""

import shutil
from pathlib import Path

import pytest

from tests.vps.engine import CACHE
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import CONTAINER, ROOT, Client, Laptop, host, inventory, service, until

HELLO = "registry.test/example/hello:1"
ALPHA = {"alpha": host("alpha")}


def board(**more: object) -> dict[str, object]:
    """Somebody else's image, with a page on 8080 that says hello at every path it has a file for."""
    return {"kind": "container", "image": HELLO, "container_port": 8080, "health": "/index.html", **more}


def test_somebody_elses_container_has_the_same_password_and_the_same_sleep(
    laptop: Laptop, client: Client, alpha: Host
) -> None:
    keeping = board(idle="2s", volumes={"data": "/data"}, environment={"GREETING": "it's $HOME"})
    laptop.write(inventory(ALPHA, {"whisper": service(), "board": keeping}))
    laptop.cli("deploy")
    until(lambda: laptop.state("board")["state"] == "asleep", "it sleeps when it is idle")
    with client.http("board.alpha.test", key="") as stranger:
        assert stranger.get("/").status_code == 401
    with client.http("board.alpha.test") as http:
        assert http.get("/index.html").json()["status"] == "asleep"
        assert laptop.state("board")["state"] == "asleep"
        assert http.get("/").text == "hello\n"
        assert http.get("/index.html").text == "hello\n"
    with client.http("portal.alpha.test") as portal:
        assert portal.get("/board/").status_code == 404
        assert "https://board.alpha.test" in portal.get("/").text
    until(lambda: laptop.state("board")["state"] == "asleep", "it sleeps again")
    said = "docker inspect --format '{{.Config.Env}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Memory}}' greffier-board"
    assert "GREETING=it's $HOME" in alpha.ssh(said) and "no-new-privileges" in alpha.ssh(said)
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
    # Its data outlives the container, and the release before has another image.
    by_digest = alpha.ssh(f"docker image inspect --format '{{{{index .RepoDigests 0}}}}' {HELLO}").strip()
    alpha.ssh("docker run --rm --volume greffier-board_data:/data debian:bookworm-slim touch /data/kept")
    laptop.write(inventory(ALPHA, {"whisper": service(), "board": {**keeping, "image": by_digest}}))
    laptop.cli("deploy")
    image = "docker inspect --format '{{.Config.Image}}' greffier-board"
    assert alpha.ssh(image).strip() == by_digest
    assert alpha.ssh("docker run --rm --volume greffier-board_data:/data debian:bookworm-slim ls /data") == "kept\n"
    laptop.cli("rollback")
    assert alpha.ssh(image).strip() == HELLO
    laptop.write(inventory(ALPHA))
    laptop.cli("deploy")
    assert "greffier-board_data" in alpha.ssh("docker volume ls --format '{{.Name}}'")
    # When neither of the last two releases has it, the image may go.
    laptop.write(inventory(ALPHA, {"whisper": service(idle="12m")}))
    laptop.cli("deploy")
    told = laptop.cli("prune", "--yes")
    assert HELLO in told and "example/hello" not in alpha.ssh("docker image ls")


@pytest.mark.parametrize(
    ("image", "said", "advice"),
    [
        ("registry.test/example/hello:9", "not found", "its name, its tag"),
        ("nowhere.test/example/hello:1", "nowhere.test", "that the host reaches the registry"),
    ],
)
def test_a_registry_that_refuses_is_quoted_and_nothing_is_changed(
    laptop: Laptop, alpha: Host, image: str, said: str, advice: str
) -> None:
    before = alpha.ssh("find /etc/greffier /etc/nginx -printf '%p %T@\\n' | sort")
    laptop.write(inventory(ALPHA, {"whisper": service(), "board": board(image=image)}))
    told = laptop.cli("deploy", status=3)
    assert f"{image} could not be pulled." in told and said in told and advice in told
    assert alpha.ssh("find /etc/greffier /etc/nginx -printf '%p %T@\\n' | sort") == before


def test_one_service_is_deployed_alone(laptop: Laptop, client: Client, alpha: Host) -> None:
    config = "/etc/greffier/autostart/config.json"
    vhost = "/etc/nginx/conf.d/greffier-service-whisper.conf"
    created = f"docker inspect --format '{{{{.Created}}}}' {CONTAINER}"
    made = alpha.ssh(created)
    alpha.ssh(f"echo '# mine' >>{vhost}")
    laptop.write(inventory(ALPHA, {"board": board(), "whisper": service(idle="11m", environment={"STT_QUEUE": "7"})}))
    planned = {step["what"] for step in laptop.data("plan", "--service", "board", status=4)["alpha"]}
    assert config in planned and not [path for path in planned if "whisper" in path]
    told = laptop.cli("deploy", "--service", "board")
    assert "https://board.alpha.test" in told and "whisper" not in told
    with client.http("board.alpha.test") as http:
        assert http.get("/").text == "hello\n"
    assert alpha.ssh(created) == made
    assert '"idleSeconds": 600' in alpha.ssh(f"cat {config}") and "# mine" in alpha.ssh(f"cat {vhost}")
    assert laptop.cli("plan", "--service", "board").strip() == "alpha: nothing to do."
    left = {step["what"] for step in laptop.data("plan", status=4)["alpha"]}
    assert {config, vhost, "/etc/greffier/services/whisper/compose.yml", "whisper"} <= left
    assert not [path for path in left if "board" in path]
    laptop.cli("deploy", "--force")
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
    # What does not start alone leaves the others alone, and what it was itself.
    laptop.write(inventory(ALPHA, {"board": board(health="/none", start_timeout="3s"), "whisper": service()}))
    told = laptop.cli("deploy", "--service", "board", status=3)
    assert "serves again" in told and '"idleSeconds": 660' in alpha.ssh(f"cat {config}")
    with client.http("board.alpha.test") as http:
        assert http.get("/").text == "hello\n"


SERVER = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"tiny\\n")
http.server.ThreadingHTTPServer(("", int(os.environ["STT_PORT"])), Answer).serve_forever()
"""


@pytest.fixture
def workshop(internet: Internet, tmp_path: Path) -> Laptop:
    """A laptop with Docker, and a kit that has one kind more, quick to build."""
    kit = tmp_path / "kit"
    for part in ("deploy", "nginx", "autostart", "services"):
        shutil.copytree(ROOT / part, kit / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "cli.py", kit)
    tiny = kit / "services" / "tiny"
    tiny.mkdir()
    manifest = (ROOT / "services/faster-whisper/service.yml").read_text()
    (tiny / "service.yml").write_text(manifest.replace("port: 8001", "port: 8009"))
    (tiny / "serve.py").write_text(SERVER)
    (tiny / "Dockerfile").write_text(
        f'FROM {internet.engine.python_image}\nCOPY services/tiny/serve.py /\nCMD ["python", "/serve.py"]\n'
    )
    laptop = Laptop(tmp_path / "workshop", internet, {})
    laptop.kit = kit
    (laptop.folder / "bin" / "docker").symlink_to(CACHE / "tools/usr/bin/docker")
    laptop.environment |= {"DOCKER_HOST": internet.engine.socket, "DOCKER_CONFIG": str(CACHE / "tools/config")}
    return laptop


def test_an_image_is_built_on_the_laptop_and_sent(
    laptop: Laptop, workshop: Laptop, client: Client, alpha: Host, internet: Internet
) -> None:
    tiny = {"kind": "tiny", "model": service()["model"]}
    workshop.write(inventory({"alpha": host("alpha", build="laptop")}, {"whisper": service(), "tiny": tiny}))
    (workshop.folder / "bare").mkdir()
    shutil.copy(workshop.folder / "bin" / "ssh", workshop.folder / "bare")
    told = workshop.cli("deploy", status=3, PATH=str(workshop.folder / "bare"))
    assert "no docker program" in told and "build: host" in told
    told = workshop.cli("deploy", status=3, DOCKER_HOST="unix:///nowhere")
    assert "Docker on this machine is not responding." in told and "/nowhere" in told
    try:
        workshop.cli("deploy")
        with client.http("tiny.alpha.test") as http:
            assert http.get("/anything").text == "tiny\n"
        # It was built here, and the host has it by its own name alone.
        listed = "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "greffier/tiny"
        (here,) = internet.engine.docker(*listed).split()
        (there,) = alpha.ssh(f"docker image ls --format {listed[3]} greffier/tiny").split()
        assert here == f"{there}-amd64"
        assert workshop.cli("plan").strip() == "alpha: nothing to do."
    finally:
        for tag in internet.engine.docker("image", "ls", "--quiet", "greffier/tiny").split():
            internet.engine.docker("image", "rm", tag)
    laptop.cli("deploy")
    assert "greffier-tiny" not in alpha.ssh("docker ps --all --format '{{.Names}}'")
