"""Files that somebody names: read to a bound, and never waited for."""

import errno
import os
import stat
from pathlib import Path

CHUNK = 1 << 16


class TooLarge(OSError):
    """A file has more bytes than what it should be ever has."""

    def __init__(self, limit: int) -> None:
        super().__init__(errno.EFBIG, f"it has more than {limit} bytes")


def opened(path: Path) -> int:
    """A handle of a file, for reading. Raises OSError; of a pipe too, which may never have a writer."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return handle
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "it is a pipe or a socket: write its content into a file")


def whole(path: Path, limit: int) -> bytes:
    """The content of a file. Raises OSError, and TooLarge where it has no end within the limit."""
    handle = opened(path)
    found = bytearray()
    try:
        while part := os.read(handle, CHUNK):
            found += part
            if len(found) > limit:
                raise TooLarge(limit)
    finally:
        os.close(handle)
    return bytes(found)


def reason(error: OSError | RuntimeError) -> str:
    """Why a file cannot be read, for a sentence. RuntimeError: ~somebody who is not there."""
    return str(getattr(error, "strerror", None) or error)
