"""Where transcripts go: to the terminal or a pipe, into a file, or into a folder where there are several."""

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rich.markup import escape

from deploy.cli.progress import err
from deploy.client.transcribe import STDIN, Wish, is_url
from deploy.errors import HOST, KitError
from deploy.reporting import Reporter

ENDINGS = {"text": "txt", "srt": "srt", "vtt": "vtt"}
"""Of a transcript's file, by its format; of the others json."""


def hear(text: str) -> None:
    """More of a text that is being made."""
    sys.stdout.write(text)
    sys.stdout.flush()


def each(
    sources: Sequence[str], output: Path | None, wish: Wish, transcript: Callable[[str], str], report: Reporter
) -> None:
    """Transcribe one after the other; of several, one that fails does not stop the others. Raises KitError."""
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


def _name(source: str, response_format: str, taken: set[str]) -> str:
    """A name for a transcript that none of the others has: two folders may have a talk.wav each."""
    path = urlsplit(source).path if is_url(source) else "stdin" if source == STDIN else source
    stem = Path(path).stem or "transcript"
    ending = ENDINGS.get(response_format, "json")
    names = (f"{stem}{'' if number == 1 else f'-{number}'}.{ending}" for number in itertools.count(1))
    found = next(name for name in names if name not in taken)
    taken.add(found)
    return found


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
