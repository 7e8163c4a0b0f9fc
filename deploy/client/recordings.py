"""The recordings of a folder, and where the transcript of each goes."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import INVENTORY, KitError

SUFFIXES = frozenset({
    ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".alac", ".amr", ".ape", ".au", ".avi", ".caf", ".dts", ".flac", ".flv",
    ".gsm", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpeg", ".mpg", ".mpga", ".oga",
    ".ogg", ".ogv", ".opus", ".ra", ".spx", ".voc", ".wav", ".webm", ".wma", ".wmv", ".wv",
})  # fmt: skip
"""Of audio and video as people keep them. A file that is named by itself is taken whatever its name ends with."""
ENDINGS = {"text": "txt", "srt": "srt", "vtt": "vtt"}
"""Of a transcript's file, by its format; of the others json."""


def ending(response_format: str) -> str:
    return ENDINGS.get(response_format, "json")


@dataclass(frozen=True)
class Recording:
    """A file, and where its transcript is written. size: in bytes."""

    path: Path
    transcript: Path
    size: int


@dataclass(frozen=True)
class Findings:
    """kept: those whose transcript is there already; older: of these, whose transcript is older than the recording."""

    wanted: tuple[Recording, ...]
    kept: int
    older: tuple[Recording, ...]


def find(sources: Sequence[str], output: Path | None, response_format: str, *, recursive: bool) -> Findings:
    """What is to be transcribed of files and folders: beside each recording, or in `output` with the same folders below
    it. Hidden files are left out, and links to folders, which may lead back. Raises KitError."""
    pairs: list[tuple[Path, Path]] = []
    for source in sources:
        root = Path(source)
        if root.is_dir():
            found = sorted(_below(root, recursive=recursive))
            if not found:
                deeper = "" if recursive else " --recursive looks into the folders below it too."
                raise KitError(f"{source} has no audio or video files.{deeper}", code=INVENTORY)
            pairs += [(path, (output / path.relative_to(root) if output else path)) for path in found]
        else:
            pairs.append((root, output / root.name if output else root))
    return _sorted_out(dict(pairs), ending(response_format))


def _sorted_out(pairs: dict[Path, Path], suffix: str) -> Findings:
    # talk.mp3 and talk.wav would get one talk.txt: then both keep their whole names.
    taken = Counter(place.with_suffix("") for place in pairs.values())
    wanted, older, kept = [], [], 0
    places: dict[Path, Path] = {}
    for path, place in pairs.items():
        other = places.setdefault(place, path)
        if other != path:
            message = f"{other} and {path} would have one transcript: {place}.{suffix}."
            hint = "Transcribe each folder into a folder of its own."
            raise KitError(message, hint, code=INVENTORY)
        alone = taken[place.with_suffix("")] == 1
        name = f"{place.stem if alone else place.name}.{suffix}"
        try:
            seen = path.stat()
        except OSError as error:
            raise KitError(f"{path} cannot be read: {error.strerror}.", code=INVENTORY) from None
        recording = Recording(path, place.with_name(name), seen.st_size)
        if not recording.transcript.exists():
            wanted.append(recording)
            continue
        kept += 1
        if recording.transcript.stat().st_mtime < seen.st_mtime:
            older.append(recording)
    return Findings(tuple(wanted), kept, tuple(older))


def _below(root: Path, *, recursive: bool) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        raise KitError(f"{error.filename} cannot be read: {error.strerror}.", code=INVENTORY)

    for folder, folders, files in os.walk(root, onerror=failed):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.is_file():
                yield path
