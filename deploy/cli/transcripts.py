"""Where transcripts go: to the terminal or a pipe, into a file, or into a folder where there are several."""

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rich.markup import escape

from deploy.cli.progress import err
from deploy.client import folder
from deploy.client.endpoints import Callee
from deploy.client.recordings import ending, find
from deploy.client.transcribe import STDIN, Wish, is_url
from deploy.errors import HOST, INVENTORY, KitError
from deploy.reporting import Reporter
from deploy.types import Secret


def hear(text: str) -> None:
    """More of a text that is being made."""
    sys.stdout.write(text)
    sys.stdout.flush()


def each(
    sources: Sequence[str], output: Path | None, wish: Wish, transcript: Callable[[str], str], report: Reporter
) -> None:
    """Transcribe one after the other; of several, one that fails does not stop the others. Raises KitError."""
    if output and any(_same(output, source) for source in sources):
        raise KitError(f"{output} is the recording itself.", "Name another file with -o.", code=INVENTORY)
    if len(sources) == 1:
        _write(transcript(sources[0]), output, wish)
        return
    failed: list[KitError] = []
    taken: set[str] = set()
    for number, source in enumerate(sources):
        if output is None:
            print(f"{chr(10) * bool(number)}==> {source} <==", flush=True)
        try:
            text = transcript(source)
            if output:
                output.mkdir(exist_ok=True)
            _write(text, output and output / _name(source, wish.response_format, taken), wish)
        except KitError as error:
            failed.append(error)
            report.warn(f"{source}: {error.message} {error.hint}".rstrip())
    if failed:
        message = f"{len(failed)} of {len(sources)} could not be transcribed."
        raise KitError(message, code=max(error.code for error in failed))


def has_folder(sources: Sequence[str]) -> bool:
    """Whether one of the sources is a folder, so that all go through as jobs."""
    return any(Path(source).is_dir() for source in sources if source != STDIN and not is_url(source))


def folders(
    callee: Callee,
    sources: Sequence[str],
    output: Path | None,
    wish: Wish,
    key: Secret,
    report: Reporter,
    *,
    recursive: bool,
) -> None:
    """Transcribe what folders hold, each recording to a file of its own; what has its transcript already is left.
    Raises KitError."""
    for source in sources:
        if source == STDIN or is_url(source):
            raise KitError(f"{source} cannot be combined with a folder.", "Transcribe it by itself.", code=INVENTORY)
    if wish.hear:
        raise KitError("--stream works with files only.", "Drop --stream.", code=INVENTORY)
    findings = find(sources, output, wish.response_format, recursive=recursive)
    for recording in findings.older:
        report.warn(f"{recording.transcript} is older than its recording and was kept. Delete it to transcribe again.")
    if not findings.wanted:
        report.say(f"Nothing to do: {findings.kept} {_files(findings.kept)} transcribed already.")
        return
    failed = folder.run(callee, findings.wanted, wish, key, report)
    done = len(findings.wanted) - len(failed)
    already = f", {findings.kept} already there" if findings.kept else ""
    report.say(f"{done} {_files(done)} transcribed{already}.")
    if failed:
        message = f"{len(failed)} of {len(findings.wanted)} could not be transcribed."
        hint = "The same command tries them again, and nothing else."
        raise KitError(message, hint, code=max(error.code for error in failed))


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _name(source: str, response_format: str, taken: set[str]) -> str:
    """A name for a transcript that none of the others has: two folders may have a talk.wav each."""
    path = urlsplit(source).path if is_url(source) else "stdin" if source == STDIN else source
    stem = Path(path).stem or "transcript"
    suffix = ending(response_format)
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.{suffix}" for number in itertools.count(1))
    found = next(name for name in names if name not in taken)
    taken.add(found)
    return found


def _same(output: Path, source: str) -> bool:
    """Whether a source is the very file that shall be written."""
    local = source != STDIN and not is_url(source) and Path(source).exists()
    return local and output.is_file() and output.samefile(source)


def _write(text: str, output: Path | None, wish: Wish) -> None:
    if output is None:
        print("" if wish.hear else text.rstrip("\n"), flush=True)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        print(text.rstrip("\n"))
        why = f"{output} cannot be written: {error.strerror}. The transcript is above."
        raise KitError(why, code=HOST) from None
    err.print(f"Wrote {escape(str(output))}.")
