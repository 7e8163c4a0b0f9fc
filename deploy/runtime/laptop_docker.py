"""This machine's own Docker: images that are built here and sent to a host."""

import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator

from deploy.errors import HOST, KitError
from deploy.runtime import docker

CHUNK = 1 << 20
"""Bytes that are compressed and sent at a time: an image never lies in memory as a whole."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7"}


def platform(machine: str) -> str:
    """Docker's name for a host's processor, as `uname -m` calls it there."""
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def has(tag: str) -> bool:
    """Whether this machine has an image. Raises KitError where it has no Docker that answers."""
    return bool(_said(docker.find_image(tag)))


def size(tag: str) -> int:
    """Bytes of an image, unpacked."""
    return int(_said(docker.inspect_sizes((tag,))))


def lines(command: docker.Command, content: bytes) -> Iterator[tuple[int, str]]:
    """(1, line) of what a docker command prints, as it comes; at the end (0, its status)."""
    with tempfile.TemporaryFile() as given:
        given.write(content)
        given.seek(0)
        with subprocess.Popen(
            _here(command),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        ) as process:
            try:
                assert process.stdout
                for line in process.stdout:
                    yield 1, line.rstrip("\n")
            except BaseException:
                process.terminate()
                raise
        yield 0, str(process.returncode)


def saved(tag: str, told: Callable[[int], None]) -> Iterator[bytes]:
    """An image as `docker load` takes it, compressed, in parts. `told` hears how many bytes of it have gone.
    Raises KitError where Docker does not give it to the end."""
    squeezed = zlib.compressobj(level=1, wbits=31)  # gzip: the line is the narrow place, seldom the processor
    done = 0
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(_here(docker.save(tag)), stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            assert process.stdout
            while part := process.stdout.read(CHUNK):
                done += len(part)
                told(done)
                if small := squeezed.compress(part):
                    yield small
        except BaseException:
            process.terminate()
            raise
        if process.wait():
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            raise KitError(f"Docker on this machine did not save {tag}.", output=said, code=HOST)
        yield squeezed.flush()


def _said(command: docker.Command) -> str:
    done = subprocess.run(_here(command), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        hint = "Start it, or set `build: host` in the inventory to build on the host."
        said = done.stderr.decode(errors="replace")
        raise KitError("Docker on this machine is not responding.", hint, output=said, code=HOST)
    return done.stdout.decode(errors="replace").strip()


def _here(command: docker.Command) -> docker.Command:
    """A command line with the program that this machine has. Raises KitError where it has none."""
    found = shutil.which("docker")
    if not found:
        raise KitError(
            "This machine has no docker program, and the inventory says `build: laptop`.",
            "Install Docker here, or set `build: host` to build on the host.",
            code=HOST,
        )
    return (found, *command[1:])
