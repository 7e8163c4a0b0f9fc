"""What a file is that is no sound, told by its content, so that its sender knows what to send instead."""

import re
from typing import IO, Protocol

from stt_core.errors import AudioError

HEAD = 64 * 1024
"""Bytes that are looked at."""
NO_AUDIO = "The file is {}, not audio: send a recording, such as wav, mp3, m4a, flac, ogg, webm or mp4."
NO_FILE = "The file is {}, which says where audio is and holds none: send the audio itself."
PROTECTED = "The file is protected by {}: without its key nobody can decode it."

Signature = tuple[int, bytes, str]
"""Where the bytes are that give it away, and what it then is."""

SIGNATURES: tuple[Signature, ...] = (
    (0, b"%PDF-", "a PDF document"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Microsoft Office"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBPVP8", "a WebP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"8BPS\0", "a Photoshop picture"),
    (4, b"ftypheic", "a HEIC picture"),
    (4, b"ftypheix", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypavif", "an AVIF picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"MThd", "a MIDI file, which holds notes"),
    (8, b"RMIDdata", "a MIDI file, which holds notes"),
    (8, b"sfbk", "a SoundFont, which holds instruments"),
    (0, b"Extended Module: ", "a tracker module, which holds notes"),
    (0, b"IMPM", "a tracker module, which holds notes"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x1f\x8b\x08", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"MSCF\0\0\0\0", "a cabinet archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ\x90\0", "a program"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"GGUF", "a model's weights"),
    (0, b"DVDVIDEO-V", "a DVD's table of contents"),
    (0, b"\0\x05\x16\x07", "what macOS keeps beside a file (its name begins with ._)"),
    (0, b"version https://git-lfs", "a Git LFS pointer"),
    (0, b"-----BEGIN PGP", "an encrypted message"),
    (0, b"Salted__", "an encrypted file"),
    (0, b"age-encryption.org/", "an encrypted file"),
)
ZIPPED = (
    (b"word/", "a Word document"),
    (b"xl/", "an Excel workbook"),
    (b"ppt/", "a PowerPoint presentation"),
    (b"mimetypeapplication/epub", "an EPUB book"),
    (b"mimetypeapplication/vnd.oasis", "an OpenDocument file"),
)
"""What a ZIP archive is by its first entries."""

LISTS: tuple[tuple[str, str], ...] = (
    (r"#EXTM3U.*#EXT-X-", "an HLS playlist"),
    (r"#EXTM3U", "an M3U playlist"),
    (r"\[playlist\]", "a PLS playlist"),
    (r"<\?xml.*<MPD\b|<MPD\b", "a DASH manifest"),
    (r"<\?xml.*<playlist\b|<asx\b|<\?wpl|<smil\b", "a playlist"),
    (r"ffconcat version", "an FFmpeg concat script"),
    (r"v=0\r?\no=", "a session description (SDP)"),
)
"""Text that says where sound is. To open one would be to open what it names."""
TEXTS: tuple[tuple[str, str], ...] = (
    (r"WEBVTT|\d+\r?\n\d\d:\d\d:\d\d,\d\d\d -->|\[Script Info\]", "a subtitle file"),
    (r"(<!--.*?-->\s*)?(<!doctype html|<html|<head|<body)", "a web page"),
    (r"<svg\b|<\?xml.{0,2000}?<svg\b", "an SVG picture"),
    (r"<\?xml", "an XML document"),
    (r"[{\[]\s*[\"{\[\d\]}]", "JSON"),
    (r"d8:announce", "a torrent"),
)

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
CONTENT_ENCRYPTION = tuple(
    map(
        bytes.fromhex,
        (
            "fbb3112223bdd211b4b700a0c955fc6e",  # content encryption
            "14e68a292226174cb935dae07ee9289c",  # extended content encryption
            "338505438169e6499b74ad12cb86d58c",  # advanced content encryption
        ),
    )
)
"""Objects of an ASF file's header: its sound is encrypted. FFmpeg would decode that to noise."""


class File(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


def check(file: File | IO[bytes]) -> None:
    """Raises AudioError for what is certainly no sound, or none that may be decoded."""
    head = _head(file)
    if what := _certain(head):
        raise AudioError(NO_AUDIO.format(what))
    if head.startswith(ASF) and any(mark in head for mark in CONTENT_ENCRYPTION):
        raise AudioError(PROTECTED.format("Windows Media DRM"))
    if head[4:12] in (b"ftypaax ", b"ftypaaxc") or head[4:8] == b"\x57\x90\x75\x36":
        raise AudioError(PROTECTED.format("Audible's DRM"))


def unreadable(file: File | IO[bytes]) -> str:
    """A sentence about a file that no demuxer reads."""
    head = _head(file)
    text = _text(head)
    for pattern, what in LISTS:
        if re.match(pattern, text, re.DOTALL | re.IGNORECASE):
            return NO_FILE.format(what)
    for pattern, what in TEXTS:
        if re.match(pattern, text, re.DOTALL | re.IGNORECASE):
            return NO_AUDIO.format(what)
    if text:
        return NO_AUDIO.format("text")
    if not head.strip(b"\0"):
        return NO_AUDIO.format("nothing but zeros")
    return (
        "The file cannot be read as audio: it is damaged, no audio at all, or samples without a header that "
        "says what they are; wav, mp3, m4a, flac, ogg, webm, mp4 and many more are fine."
    )


def _head(file: File | IO[bytes]) -> bytes:
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return head


def _certain(head: bytes) -> str | None:
    if head.startswith(b"PK\3\4"):
        return next((what for mark, what in ZIPPED if mark in head), "a ZIP archive")
    for at, mark, what in SIGNATURES:
        if head.startswith(mark, at):
            return what
    return None


def _text(head: bytes) -> str:
    """What is written there; nothing where it is no text."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    printable = sum(letter.isprintable() or letter in "\t\r\n\f" for letter in text)
    whole = len(text.encode(encoding, "ignore")) > 0.95 * len(head.strip())
    return text if text and whole and printable > 0.98 * len(text) else ""
