"""A PostgreSQL server of the tests' own: Debian's, on a free port of the loopback, in a folder that is removed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PASSWORD = "of-the-tests"


def programs() -> Path:
    """The folder of Debian's newest. `make test` installs it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is not installed: `make test` installs it."
    return found[-1].parent


@contextmanager
def server() -> Iterator[str]:
    """The URL of a new and empty database."""
    # Not in pytest's own folder: each session that begins closes that to all other users, and the server is one.
    with TemporaryDirectory(prefix="greffier-postgres-") as name:
        folder = Path(name)
        data, sockets = folder / "data", folder / "sockets"
        sockets.mkdir()
        (folder / "password").write_text(PASSWORD)
        user: tuple[str, ...] = ()
        if os.geteuid() == 0:  # the server refuses to be root
            user = ("runuser", "-u", "postgres", "--")
            for path in (folder, sockets, folder / "password"):
                shutil.chown(path, "postgres")
        with _running(user, data, sockets, folder / "password") as port:
            yield f"postgresql://tests:{PASSWORD}@127.0.0.1:{port}/postgres"


@contextmanager
def _running(user: tuple[str, ...], data: Path, sockets: Path, password: Path) -> Iterator[int]:
    """Its port."""
    run = (*user, str(programs() / "initdb"))
    options = ("-D", str(data), "-U", "tests", "-A", "scram-sha-256", "--pwfile", str(password), "--no-sync")
    subprocess.run([*run, *options], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [*user, str(programs() / "pg_ctl"), "-D", str(data), "-w"]
    listens = f"-p {port} -c listen_addresses=127.0.0.1 -k {sockets}"
    subprocess.run([*control, "-l", str(data / "log"), "-o", listens, "start"], check=True, capture_output=True)
    try:
        yield port
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
