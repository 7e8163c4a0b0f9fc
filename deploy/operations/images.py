"""Images on a host: which are there, building them from one context, and containers made of them."""

import io
import re
import tarfile
from collections.abc import Iterable

from deploy.errors import KitError
from deploy.operations.report import Bar
from deploy.render.compose import LABEL
from deploy.stack import HostStack, ServiceStack
from deploy.targets import Target


def wanted(host: HostStack) -> dict[str, ServiceStack]:
    """Image -> a service that uses it; none on a host without Docker."""
    return {} if host.runtime == "process" else {service.image: service for service in host.services}


def present(target: Target, images: Iterable[str]) -> frozenset[str]:
    """Those of the images that the host has."""
    asked = list(images)
    if not asked:
        return frozenset()
    listed = target.run(("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"))
    return frozenset(set(asked) & set(listed.split()))


def build(target: Target, service: ServiceStack, bar: Bar) -> None:
    """Build on the host; the context is what the digest was made of, sent once. Raises KitError with the output."""
    kind = service.kind
    command = (
        "docker", "build", "--progress", "plain", "--tag", service.image,
        "--label", f"greffier.kind={kind.name}", "--file", f"services/{kind.name}/Dockerfile", "-",
    )  # fmt: skip
    printed: list[str] = []
    status = "0"
    for stream, line in target.connection.lines(command, context(service)):
        if stream:
            printed.append(line)
            bar.update(0, 0, line)
        else:
            status = line
    if status != "0":
        said = "\n".join(printed)
        raise KitError(f"The image of {service.name} could not be built.", _unbuilt(said), output=said)


_UNBUILT = (
    (r"no space left on device", "The disk is full: `prune` removes images and releases that nothing uses."),
    (r"failed to (resolve|do request|authorize)|pull access denied|toomanyrequests|manifest unknown",
     "The registry does not give the base image. Does the host reach it? A mirror or a proxy is set in Docker's "
     "own configuration there, an account by `docker login`."),
    (r"No matching distribution|Failed to establish a new connection|Temporary failure|Failed to fetch",
     "A package is not to be had from the host: its index does not answer, or does not have it."),
)  # fmt: skip


def _unbuilt(said: str) -> str:
    """What helps, by what the build printed."""
    hints = (hint for sign, hint in _UNBUILT if re.search(sign, said, re.IGNORECASE))
    return " ".join((*[hint for hint in hints][:1], "Nothing else was changed: deploy again when it is mended."))


def context(service: ServiceStack) -> bytes:
    """A tar of services/core and services/<kind>; the same bytes for the same files."""
    from deploy.catalog import source_files

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in (service.kind.core, service.kind.folder):
            for file in source_files(folder):
                entry = tarfile.TarInfo(f"services/{folder.name}/{file.relative_to(folder).as_posix()}")
                content = file.read_bytes()
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def containers(target: Target) -> dict[str, str]:
    """Container -> service, of all that were made of compose files of ours, the newest first."""
    form = f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}'
    listed = target.run(("docker", "ps", "--all", "--filter", f"label={LABEL}", "--format", form), check=False)
    return dict(line.split() for line in listed.splitlines())


def create(target: Target, folder: str, *, anew: bool = True) -> None:
    """Make the container of a compose file, without starting it: that is autostart's to do. Where it is `anew`, even
    if nothing of it changed; else one that is right is left as it is, running or not."""
    project = ("docker", "compose", "--project-directory", folder)
    recreate = ("--force-recreate",) if anew else ()
    target.run((*project, "up", "--no-start", *recreate, "--remove-orphans"), whole=True)


def remove(target: Target, names: Iterable[str], *, volumes: bool = False) -> None:
    """Remove containers and the networks of their projects; data only with `volumes`."""
    for name in names:
        command = ("docker", "compose", "--project-name", name, "down", "--remove-orphans")
        target.run((*command, *(("--volumes",) if volumes else ())), check=False)
