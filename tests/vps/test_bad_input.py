"""What cannot be deployed is told in a sentence before anything is changed, and the next deploy is none the worse."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import MODEL, Laptop, copy_of_the_kit, host, inventory, service

ALPHA = {"alpha": host("alpha")}
FILES = "find /etc /opt/greffier /var/lib/greffier -newer /run/before ! -name .lock ! -path /var/lib/greffier"


@contextmanager
def untouched(alpha: Host) -> Iterator[None]:
    """Nothing on the host is written, made or ended within."""
    engine = "docker ps --all --quiet --no-trunc | sort; docker image ls --quiet --no-trunc | sort"
    before = alpha.ssh(f"touch /run/before; {engine}")
    yield
    assert alpha.ssh(f"{FILES}; {engine}") == before


def change(laptop: Laptop) -> None:
    laptop.write(inventory(ALPHA, {"whisper": service(environment={"STT_QUEUE": "7"})}))


def test_a_service_that_is_larger_than_its_host(laptop: Laptop, alpha: Host) -> None:
    laptop.write(inventory(ALPHA, {"whisper": service(memory="900G")}))
    with untouched(alpha):
        told = laptop.cli("deploy", status=3)
    assert "whisper may use 900G of memory, but alpha has " in told and "Nothing was changed" in told


def test_a_disk_without_room_for_a_model(laptop: Laptop, alpha: Host) -> None:
    models = "/var/lib/greffier/models"
    alpha.ssh(f"mount -t tmpfs -o size=100m tmpfs {models}")
    try:
        with untouched(alpha):
            told = laptop.cli("deploy", status=3)
        assert f"alpha has 0.10 GB free at {models}, but this deploy needs 0.15 GB ({MODEL} 0.15 GB)." in told
        assert "`greffier prune`" in told
    finally:
        alpha.ssh(f"umount {models}")
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_a_configuration_of_nginx_that_is_broken_already(laptop: Laptop, alpha: Host) -> None:
    shop = "/etc/nginx/conf.d/shop.conf"
    change(laptop)
    alpha.write(shop, "server { listen 127.0.0.1:81; nonsense on; }\n")
    try:
        with untouched(alpha):
            told = laptop.cli("deploy", status=3)
        assert f'unknown directive "nonsense" in {shop}:1' in told and "is not Greffier's" in told
        assert "nonsense" in alpha.ssh(f"cat {shop}")
    finally:
        alpha.ssh(f"rm {shop}")
    # In a file of the kit's own, it is for the deploy to put right.
    alpha.ssh("echo nonsense >>/etc/nginx/conf.d/greffier-http.conf")
    laptop.cli("deploy", "--force")
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_docker_that_does_not_answer(laptop: Laptop, alpha: Host) -> None:
    alpha.ssh("mv /run/docker.sock /run/docker.sock.away")
    try:
        told = laptop.cli("deploy", status=3)
    finally:
        alpha.ssh("mv /run/docker.sock.away /run/docker.sock")
    assert "Docker is not responding on alpha." in told and "Is the docker daemon running?" in told


def test_an_older_kit(laptop: Laptop, alpha: Host) -> None:
    record = "/var/lib/greffier/.applied.json"
    newer, back = (f'sed -i.was \'s/"kit": "[^"]*"/"kit": "99.0.0"/\' {record}', f"mv {record}.was {record}")
    alpha.ssh(newer)
    try:
        with untouched(alpha):
            told = laptop.cli("deploy", status=2)
            assert "alpha was deployed by Greffier 99.0.0; this is " in told and "Update Greffier" in told
    finally:
        alpha.ssh(back)


DOCKERFILE = "services/faster-whisper/Dockerfile"
UNBUILDABLE = (
    (DOCKERFILE, "FROM registry.test/nobody/nothing:1\n",
     "registry.test/nobody/nothing:1: not found", "The registry does not give the base image."),
    (DOCKERFILE, "FROM away.test/nobody/nothing:1\n",
     "lookup away.test", "The registry does not give the base image."),
    (DOCKERFILE, "FROM python:3.11-slim\nRUN echo the reason && exit 7\n",
     "the reason", "The image of whisper could not be built."),
    ("autostart/requirements.lock", "nobodys-package==1.0 --hash=sha256:" + 64 * "0" + "\n",
     "No matching distribution found for nobodys-package==1.0",
     "The packages could not be installed: No matching distribution found for nobodys-package==1.0."),
)  # fmt: skip


def test_what_is_not_built(laptop: Laptop, internet: Internet, alpha: Host, tmp_path: Path) -> None:
    """A registry that refuses, or is away; an image that does not build; an index without the package."""
    other = Laptop(tmp_path / "office", internet, inventory(ALPHA), copy_of_the_kit(tmp_path / "kit"))
    alpha.ssh("touch /run/before")
    for path, content, words, sentence in UNBUILDABLE:
        right = (other.kit / path).read_text()
        (other.kit / path).write_text(content)
        told = other.cli("deploy", status=3)
        assert words in told and sentence in told
        (other.kit / path).write_text(right)
    assert alpha.ssh(f"{FILES} ! -path '/opt/greffier/environments*'") == ""
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
