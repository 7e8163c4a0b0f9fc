"""Docker's command lines, each built here and nowhere else. Pure: who runs them, on a host or on this machine, is for
the callers. (The programs in deploy/host import nothing, and look at Docker by themselves.)"""

from collections.abc import Iterable
from pathlib import PurePosixPath

from deploy.render.compose import CONTAINERS, LABEL

Command = tuple[str, ...]
PROGRAM = "docker"

# Images. --------------------------------------------------------------------------------------------


def list_images() -> Command:
    """Lines of an image, by each tag and digest, and its id."""
    form = "{{.Repository}}:{{.Tag}} {{.ID}}\n{{.Repository}}@{{.Digest}} {{.ID}}"
    return (PROGRAM, "image", "ls", "--digests", "--no-trunc", "--format", form)


def find_image(tag: str) -> Command:
    """Its id; nothing where it is not there."""
    return (PROGRAM, "image", "ls", "--quiet", tag)


def list_built() -> Command:
    """Lines of repository:tag, of what was built from our Dockerfiles."""
    return (PROGRAM, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=greffier/*")


def inspect_sizes(images: Iterable[str]) -> Command:
    """A line of bytes for each image, unpacked."""
    return (PROGRAM, "image", "inspect", "--format", "{{.Size}}", *images)


def build(kind: str, tag: str, arguments: Iterable[tuple[str, str]], platform: str = "") -> Command:
    """The context, a tar with services/<kind>/Dockerfile, comes on standard input."""
    given = [word for name, value in arguments for word in ("--build-arg", f"{name}={value}")]
    here = ("--platform", platform) if platform else ()
    about = ("--label", f"greffier.kind={kind}", *given, "--file", f"services/{kind}/Dockerfile", *here)
    return (PROGRAM, "build", "--progress", "plain", "--tag", tag, *about, "-")


def pull(image: str) -> Command:
    return (PROGRAM, "pull", image)


def save(tag: str) -> Command:
    """A tar on standard output."""
    return (PROGRAM, "save", tag)


def load() -> Command:
    """Reads that tar, compressed or not."""
    return (PROGRAM, "load", "--quiet")


def tag(image: str, name: str) -> Command:
    return (PROGRAM, "tag", image, name)


def remove_images(images: Iterable[str]) -> Command:
    return (PROGRAM, "image", "rm", *images)


# Containers. ----------------------------------------------------------------------------------------


def list_containers(form: str, *, ours: bool = False, named: bool = False) -> Command:
    """All, running or not, the newest first, as a Go template; only those made of compose files of ours, or only those
    with a name of ours."""
    labelled = ("--filter", f"label={LABEL}") if ours else ()
    called = ("--filter", f"name=^{CONTAINERS}") if named else ()
    return (PROGRAM, "ps", "--all", "--no-trunc", *labelled, *called, "--format", form)


def create(folder: str, *, anew: bool) -> Command:
    """Make the container of a compose file, without starting it; even if nothing of it changed where it is `anew`."""
    # Named, it is made whatever profile it has.
    service = PurePosixPath(folder).name
    recreate = ("--force-recreate",) if anew else ()
    return (*_compose("--project-directory", folder), "up", "--no-start", *recreate, "--remove-orphans", service)


def down(project: str, *, volumes: bool) -> Command:
    """Remove a project's containers and networks; its data only with `volumes`."""
    return (*_compose("--project-name", project), "down", "--remove-orphans", *(("--volumes",) if volumes else ()))


def _compose(*words: str) -> Command:
    return (PROGRAM, "compose", *words)


def start(container: str) -> Command:
    return (PROGRAM, "start", container)


def stop(container: str) -> Command:
    return (PROGRAM, "stop", container)


def rename(container: str, name: str) -> Command:
    return (PROGRAM, "rename", container, name)


def restart_policy(container: str, policy: str) -> Command:
    return (PROGRAM, "update", f"--restart={policy}", container)


def remove_containers(containers: Iterable[str]) -> Command:
    """Running ones too."""
    return (PROGRAM, "rm", "--force", *containers)


def inspect_state(container: str) -> Command:
    """`true` or `false` twice: whether it runs, and whether it was ended for want of memory."""
    return (PROGRAM, "inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}}", container)


def logs(container: str, lines: int, *, follow: bool = False) -> Command:
    """The last lines, what it wrote to standard error apart."""
    return (PROGRAM, "logs", "--tail", str(lines), *(("--follow",) if follow else ()), container)


def log_text(container: str, lines: int) -> Command:
    """The last lines, both streams as one."""
    return ("sh", "-c", 'docker logs --tail "$1" "$2" 2>&1', "sh", str(lines), container)


# The rest. ------------------------------------------------------------------------------------------


def list_volumes() -> Command:
    """Lines of a volume and the compose project that it is of."""
    return (PROGRAM, "volume", "ls", "--format", '{{.Name}} {{.Label "com.docker.compose.project"}}')


def remove_volumes(volumes: Iterable[str]) -> Command:
    return (PROGRAM, "volume", "rm", *volumes)


def server_version() -> Command:
    """Of the engine that answers; nothing, with status 0 or not, where none does."""
    return quietly("version", "--format", "{{.Server.Version}}")


def quietly(*words: str) -> Command:
    """Without what it says on standard error; nothing where there is no docker."""
    return ("sh", "-c", 'docker "$@" 2>/dev/null', PROGRAM, *words)
