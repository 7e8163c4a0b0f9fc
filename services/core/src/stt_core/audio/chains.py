"""Chained Ogg: whole files one after another, as radio over HTTP sends them.

FFmpeg goes on from one to the next only where codec, rate and channels stay the same.
"""

from typing import IO

PAGE = b"OggS\0"
HEADER = 27
"""Bytes of a page's header: RFC 3533, section 6; its sixth has the flags."""
FIRST = 0x02
"""The flag of a page that begins a stream."""
PIECE = 1 << 20


def following(file: IO[bytes], position: int) -> int | None:
    """The byte at which the next link begins, behind that of a page before it; None where there is none."""
    position += 1
    file.seek(position)
    tail = b""
    while data := file.read(PIECE):
        data = tail + data
        at = data.find(PAGE)
        while 0 <= at <= len(data) - HEADER:
            if data[at + 5] & FIRST:
                return position + at
            at = data.find(PAGE, at + 1)
        position += max(0, len(data) - HEADER)
        tail = data[max(0, len(data) - HEADER) :]
    return None
