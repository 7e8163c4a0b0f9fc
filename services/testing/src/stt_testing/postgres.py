"""A PostgreSQL server of the tests' own: Debian's, on a free port of the loopback, in a folder that is removed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "of-the-tests"


def programs() -> Path:
    """The folder of Debian's newest. `make test` installs it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is not installed: `make test` installs it."
    return found[-1].parent


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a new and empty database."""
    data, sockets = folder / "data", folder / "sockets"
    sockets.mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    user: tuple[str, ...] = ()
    if os.geteuid() == 0:  # the server refuses to be root
        user = ("runuser", "-u", "postgres", "--")
        shutil.chown(folder, "postgres")
        for path in (sockets, folder / "password"):
            shutil.chown(path, "postgres")
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    run = (*user, str(programs() / "initdb"))
    options = ("-D", str(data), "-U", "tests", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "--no-sync")
    subprocess.run([*run, *options], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [*user, str(programs() / "pg_ctl"), "-D", str(data), "-w"]
    listens = f"-p {port} -c listen_addresses=127.0.0.1 -k {sockets}"
    subprocess.run([*control, "-l", str(data / "log"), "-o", listens, "start"], check=True, capture_output=True)
    try:
        yield f"postgresql://tests:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
