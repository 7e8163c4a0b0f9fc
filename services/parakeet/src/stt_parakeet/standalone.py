"""The container as the known voicemail server's users run it: begun as root, it serves as a user without rights."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from stt_core.errors import StartError
from stt_parakeet import environment
from stt_parakeet.__main__ import run

USER = 10001
"""Of the image, as its Dockerfile makes it; its group has the same number."""


def give(folder: Path, user: int) -> None:
    """Make a folder and what is in it somebody's: a volume of another image's belongs to root."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            os.chown(path, user, user)


def step_down(variables: Mapping[str, str] = os.environ) -> None:
    """Go on without root's rights; nothing for who has none. Raises StartError."""
    if os.getuid() != 0:
        return
    if (database := environment.own(variables).database) is not None and database.parent.is_dir():
        try:
            give(database.parent, USER)
        except OSError as error:
            raise StartError(f"{error.filename} cannot be given to user {USER}: {error.strerror}.") from None
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


if __name__ == "__main__":
    if not sys.argv[1:]:
        try:
            step_down()
        except StartError as error:
            sys.exit(str(error))
    run()
