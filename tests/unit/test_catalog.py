"""What a kind's manifest says of other kinds, and what its image is made of."""

import ast
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import ROOT
from deploy.config import catalog, dockerfile
from deploy.config.stack import HostStack, Stack
from deploy.errors import KitError
from deploy.render import autostart, compose
from deploy.runtime import components, docker, images

MEETING = "hosts:\n  vps: {domain: example.org}\nservices:\n  meeting: {kind: whisperx%s}\n"


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A copy of the manifests and the code."""
    skipped = shutil.ignore_patterns("tests", "__pycache__", "silero")
    return shutil.copytree(ROOT / "services", tmp_path / "services", ignore=skipped)


@pytest.mark.parametrize("kind", ["faster-whisper", "parakeet", "whisperx", "pytorch"])
def test_compose_asks_for_health_as_the_image_does(resolved: Callable[[str], Stack], kind: str) -> None:
    text = f"hosts:\n  vps: {{domain: example.org}}\nservices:\n  one: {{kind: {kind}, enabled: true}}\n"
    (host,) = resolved(text).hosts
    asked = compose.project(host, host.services[0])["services"]["one"]["healthcheck"]["test"]
    written = (ROOT / "services" / kind / "Dockerfile").read_text().splitlines()
    line = next(line for line in written if line.startswith("HEALTHCHECK"))  # of the image that the kit builds
    assert asked[0] == "CMD" and line.endswith(f"CMD {json.dumps(asked[1:])}")


KINDS = ("faster-whisper", "parakeet", "whisperx", "pytorch")
SHARED = "services/core/src/stt_core/api.py"


def changed(services: Path, path: str, content: str = "other = True\n") -> dict[str, set[str]]:
    """Whose image, code and environment is another one once a file below services/ has this content."""
    before = catalog.load(services)
    (services / path).parent.mkdir(parents=True, exist_ok=True)
    (services / path).write_text(content)
    after = catalog.load(services)
    names = ("digest", "code_digest", "lock_digest")
    return {name: {one for one in KINDS if getattr(before[one], name) != getattr(after[one], name)} for name in names}


@pytest.mark.parametrize(
    "path",
    [
        "core/README.md",
        "core/pyproject.toml",
        "core/tests/test_api.py",
        "core/src/stt_core/__pycache__/api.cpython-311.pyc",
        "faster-whisper/README.md",
        "faster-whisper/openapi.json",
        "faster-whisper/requirements-dev.lock",
        "testing/src/stt_testing/contract/general.py",
        "whisper/pyproject.toml",
        "whisperx/tests/test_process.py",
    ],
)
def test_what_no_dockerfile_copies_is_in_no_digest(services: Path, path: str) -> None:
    assert not any(changed(services, path).values())


def test_what_a_dockerfile_copies_is_in_its_digests(services: Path) -> None:
    everyone, ctranslate2 = set(KINDS), {"faster-whisper", "whisperx"}
    nobody: set[str] = set()
    code = {"digest": everyone, "code_digest": everyone, "lock_digest": nobody}
    assert changed(services, "core/src/stt_core/api.py") == code
    assert changed(services, "core/src/stt_core/http/swagger/page.html") == code
    of_whisper = everyone - {"parakeet"}
    code = {"digest": of_whisper, "code_digest": of_whisper, "lock_digest": nobody}
    assert changed(services, "whisper/src/stt_whisper/new.py") == code
    code = {"digest": ctranslate2, "code_digest": ctranslate2, "lock_digest": nobody}
    assert changed(services, "ctranslate2/src/stt_ctranslate2/engine.py") == code
    lock = {"digest": {"whisperx"}, "code_digest": nobody, "lock_digest": {"whisperx"}}
    assert changed(services, "whisperx/requirements.lock", "av==1\n") == lock


def test_what_a_dockerfile_does_is_in_its_images_digest_and_what_it_remarks_is_not(services: Path) -> None:
    text = (services / "pytorch/Dockerfile").read_text()
    assert not any(changed(services, "pytorch/Dockerfile", f"# A remark.\n\n{text}").values())
    of = changed(services, "pytorch/Dockerfile", text.replace("EXPOSE", "ENV NEW=1\nEXPOSE"))
    assert of == {"digest": {"pytorch"}, "code_digest": set(), "lock_digest": set()}


@pytest.mark.parametrize("kind", KINDS)
def test_docker_is_sent_what_the_digest_covers(resolved: Callable[[str], Stack], kind: str) -> None:
    text = f"hosts:\n  vps: {{domain: example.org}}\nservices:\n  one: {{kind: {kind}, enabled: true}}\n"
    (host,) = resolved(text).hosts
    with tarfile.open(fileobj=io.BytesIO(images.context(host.services[0]))) as archive:
        sent = {entry.name: archive.extractfile(entry) for entry in archive}
        content = {name: file.read() for name, file in sent.items() if file}
    listed = subprocess.run(("git", "ls-files", "services"), cwd=ROOT, capture_output=True, text=True, check=True)
    copied = [one.source for one in dockerfile.copied((ROOT / f"services/{kind}/Dockerfile").read_text())]
    wanted = {
        name
        for name in listed.stdout.split()
        if any(name == path or name.startswith(f"{path}/") for path in (f"services/{kind}/Dockerfile", *copied))
    }
    assert SHARED in wanted and f"services/{kind}/requirements.lock" in wanted
    assert set(content) == wanted
    assert all(data == (ROOT / name).read_bytes() for name, data in content.items())


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_imports_from_where_its_source_lies(kind: str) -> None:
    lines = list(dockerfile.instructions((ROOT / f"services/{kind}/Dockerfile").read_text()))
    folders = [one.target for one in dockerfile.copied("\n".join(lines)) if one.source.endswith("/src")]
    variables = next(line for line in lines if line.startswith("ENV "))
    assert f"PYTHONPATH={':'.join(folders)}" in variables.split()


def test_every_kind_is_quiet_where_autostart_is_by_itself() -> None:
    code = (ROOT / "autostart/src/greffier_autostart/config.py").read_text()
    (line,) = [line for line in code.splitlines() if line.startswith("DEFAULT_QUIET_PATHS = ")]
    quiet = ast.literal_eval(line.partition(" = ")[2])
    for name in KINDS:
        manifest = catalog.load()[name].manifest
        assert isinstance(manifest, catalog.Own) and tuple(manifest.quiet) == quiet


def test_what_a_kind_says_itself_counts_before_what_all_have_in_common(services: Path) -> None:
    path = services / "whisperx/service.yml"
    path.write_text(path.read_text().replace("settings:\n", "probe: /own\nsettings:\n  port: OWN_PORT\n"))
    manifest = catalog.load(services)["whisperx"].manifest
    assert isinstance(manifest, catalog.Own) and manifest.probe == "/own"
    assert (manifest.settings.port, manifest.settings.host) == ("OWN_PORT", "STT_HOST")
    assert manifest.settings.diarizer == "STT_DIARIZER"


def test_a_copy_that_cannot_be_read_is_no_copy_that_is_overlooked() -> None:
    text = """\
# syntax=docker/dockerfile:1
FROM scratch AS one
COPY --chown=1:1 ./a/b/ c \\
    # A remark.
    /there
COPY --from=one /x /y
"""
    assert [*dockerfile.copied(text)] == [dockerfile.Copied("a/b", "/there"), dockerfile.Copied("c", "/there")]
    assert next(dockerfile.instructions(text)) == "# syntax=docker/dockerfile:1"
    for line in ("ADD a b", "COPY *.lock /", 'COPY ["a", "b"]', "COPY $X /", "RUN --mount=type=bind,target=/x true"):
        with pytest.raises(KitError, match="cannot be read"):
            list(dockerfile.copied(line))


def test_models_of_other_kinds_are_known_and_need_more(resolved: Callable[[str], Stack]) -> None:
    kinds = catalog.load()
    of, base = {n: kinds[n].manifest for n in ("whisperx", "faster-whisper")}, "Systran/faster-whisper-base"
    theirs, ours = of["faster-whisper"].models.known[base], of["whisperx"].models.known[base]
    assert ours.files == theirs.files and ours.memory == theirs.memory + of["whisperx"].beside
    (host,) = resolved(MEETING % f", model: {base}").hosts
    assert host.services[0].memory == ours.memory


def test_torch_is_part_of_what_an_image_and_an_environment_are_made_of(resolved: Callable[[str], Stack]) -> None:
    def of(more: str) -> HostStack:
        return resolved(MEETING % more).hosts[0]

    cpu, cuda = of(""), of(", device: cuda")
    assert cpu.services[0].image != cuda.services[0].image
    words = docker.build("whisperx", "tag", cuda.services[0].build_arguments)
    assert f"TORCH={cuda.services[0].torch.version}" in words  # type: ignore[union-attr]
    assert [word for word in words if word.startswith("TORCH_INDEX=https://download.pytorch.org/whl/cu")]
    paths = {autostart.environment_folder(host, host.services[0]) for host in (cpu, cuda)}
    assert len(paths) == 2


def test_a_process_imports_from_every_folder_that_it_is_made_of(resolved: Callable[[str], Stack]) -> None:
    text = "hosts: {me: {runtime: process}}\nservices: {meeting: {kind: whisperx}}\n"
    (host,) = resolved(text).hosts
    entry = autostart._process(host, host.services[0])
    built = next(part for part in components.of(host) if part.path == entry["directory"])
    places = [Path(entry["directory"]) / below for below, _ in built.sources]
    for path in map(Path, entry["environment"]["PYTHONPATH"].split(":")):
        assert [place for place in places if path.is_relative_to(place)], path
