"""Images on a host: which are there, getting the others, and containers made of them."""

import io
import re
import tarfile
from collections.abc import Callable, Container, Iterable

from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import HOST, KitError
from deploy.render.compose import LABEL
from deploy.reporting import Bar
from deploy.runtime import docker, laptop_docker
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.targets import Target


def wanted(host: HostStack) -> dict[str, ServiceStack]:
    """Image -> a service that uses it; none on a host without Docker."""
    return {} if host.runtime == "process" else {service.image: service for service in host.services}


def present(images: Iterable[str], there: Container[str]) -> frozenset[str]:
    """Those of the images that are `there`, as Docker lists them."""
    return frozenset(image for image in images if familiar(image) in there)


def identified() -> Asking[dict[str, str]]:
    """Image -> its id, of all that the host has: by each tag and digest, as Docker lists them."""
    listed = yield from asking.run(docker.list_images())
    return _pairs(line for line in listed.splitlines() if "<none>" not in line)


def _pairs(lines: Iterable[str]) -> dict[str, str]:
    """Two words a line, as they were asked for; a warning among them is none."""
    return {words[0]: words[1] for words in map(str.split, lines) if len(words) == 2}


def familiar(image: str) -> str:
    """An image's name as Docker lists it: its own registry goes unsaid, and with a digest the tag says nothing."""
    image = re.sub(r":[^:/@]+@", "@", image)
    return re.sub(r"^(index\.)?docker\.io/", "", image).removeprefix("library/")


def provide(target: Target, service: ServiceStack, bar: Bar) -> None:
    """Get the image of a service onto the host. Raises KitError with what the step printed."""
    match service.image_from:
        case "registry":
            _pull(target, service, bar)
        case "laptop":
            _send(target, service, bar)
        case "host":
            _build(target, service, bar)


def title(service: ServiceStack) -> str:
    """What `provide` does, for the operator."""
    if service.image_from == "registry":
        return f"Pulling {service.image}"
    here = " on this machine" if service.image_from == "laptop" else ""
    return f"Building the image of {service.kind.name}{here}"


def _pull(target: Target, service: ServiceStack, bar: Bar) -> None:
    layers = done = 0

    def told(line: str) -> None:
        nonlocal layers, done
        layers += line.endswith((": Pulling fs layer", ": Already exists"))
        done += line.endswith((": Pull complete", ": Already exists"))
        bar.update(done, layers, line)

    said = _followed(target.connection.lines(docker.pull(service.image)), told)
    if said is not None:
        raise KitError(f"{service.image} could not be pulled.", _advice(said), output=said, code=HOST)


def _advice(said: str) -> str:
    """What helps where a registry refuses, by Docker's words."""
    if re.search(r"denied|unauthorized|authentication required|forbidden", said, re.IGNORECASE):
        return "Check the name. For a private image, run `docker login` for its registry on the host, as root."
    if re.search(r"not found|manifest unknown|no matching manifest", said, re.IGNORECASE):
        return "Check `image` in the inventory: its name, its tag, and that it is built for the host's architecture."
    return "Check `image` in the inventory, and that the host reaches the registry."


def _build(target: Target, service: ServiceStack, bar: Bar) -> None:
    """Build on the host; the context is what the digest was made of, sent once."""
    command = docker.build(service.kind.name, service.image, service.build_arguments)
    said = _followed(target.connection.lines(command, context(service)), lambda line: bar.update(0, 0, line))
    if said is not None:
        raise KitError(f"The image of {service.name} could not be built.", _unbuilt(said), output=said, code=HOST)


def _send(target: Target, service: ServiceStack, bar: Bar) -> None:
    """Build on this machine, for the host's processor, and load there what Docker saves here."""
    platform = laptop_docker.platform(target.facts["machine"])
    # The tag here names the processor: another host may want the same image for another one.
    tag = f"{service.image}-{platform.removeprefix('linux/').replace('/', '')}"
    if not laptop_docker.has(tag):
        command = docker.build(service.kind.name, tag, service.build_arguments, platform)
        said = _followed(laptop_docker.lines(command, context(service)), lambda line: bar.update(0, 0, line))
        if said is not None:
            message = f"The image of {service.name} could not be built on this machine."
            raise KitError(message, "Nothing was changed on the host.", output=said, code=HOST)
    size = laptop_docker.size(tag)
    parts = laptop_docker.saved(tag, lambda done: bar.update(done, max(size, done), "sent"))
    said = _followed(target.connection.lines(docker.load(), parts), lambda line: None)
    if said is not None:
        raise KitError(f"The host could not load the image of {service.name}.", output=said, code=HOST)
    target.run(docker.tag(tag, service.image))
    target.run(docker.remove_images((tag,)))


def _followed(lines: Iterable[tuple[int, str]], told: Callable[[str], None]) -> str | None:
    """Tell each line that a command prints. Returns all of them where it fails, None where it does not."""
    printed: list[str] = []
    for stream, line in lines:
        if not stream:
            return None if line == "0" else "\n".join(printed)
        printed.append(line)
        told(line)
    return None


_UNBUILT = (
    (r"no space left on device", "The disk is full. `greffier prune` removes unused images and releases."),
    (r"failed to (resolve|do request|authorize)|pull access denied|toomanyrequests|manifest unknown",
     "The registry does not give the base image. Does the host reach it? A mirror or a proxy is set in Docker's "
     "own configuration there, an account by `docker login`."),
    (r"No matching distribution|Failed to establish a new connection|Temporary failure|Failed to fetch",
     "A package is not to be had from the host: its index does not answer, or does not have it."),
)  # fmt: skip


def _unbuilt(said: str) -> str:
    """What helps, by what the build printed."""
    hints = (hint for sign, hint in _UNBUILT if re.search(sign, said, re.IGNORECASE))
    return " ".join((*[hint for hint in hints][:1], "Nothing else was changed. Fix this, then deploy again."))


def context(service: ServiceStack) -> bytes:
    """A tar of the Dockerfile and what it copies; the same bytes for the same files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, file in service.kind.context:
            entry = tarfile.TarInfo(path)
            content = file.read_bytes()
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def discard(target: Target, images: Iterable[str]) -> None:
    """Remove images. With the last tag of one its digests go too, so that a name may be gone when its turn comes."""
    for image in images:
        if present((image,), target.answer(identified())):
            target.run(docker.remove_images((image,)))


def containers() -> Asking[dict[str, str]]:
    """Container -> service, of all that were made of compose files of ours, the newest first."""
    form = f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}'
    listed = yield from asking.run(docker.list_containers(form, ours=True), check=False)
    return _pairs(listed.splitlines())


def create(target: Target, folder: str, *, anew: bool = True) -> None:
    """Make the container of a service's compose file, without starting it: that is autostart's to do. Where it is
    `anew`, even if nothing of it changed; else one that is right is left as it is, running or not."""
    target.run(docker.create(folder, anew=anew), whole=True)


def remove(target: Target, names: Iterable[str], *, volumes: bool = False) -> None:
    """Remove containers and the networks of their projects; data only with `volumes`."""
    for name in names:
        target.run(docker.down(name, volumes=volumes), check=False)
