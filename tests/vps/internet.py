"""What the test hosts have for an internet: names, packages, images, an ACME server. Nothing leaves the machine.

One `Internet` is a bridge network without a way out and four containers on it. It belongs to the process that made it:
a lock is held on its number, so that a later run sees what a killed one left behind and removes it.
"""

import fcntl
import itertools
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.vps.engine import CACHE, Engine, VpsError, prepared

LABEL = "greffier.vps"
NUMBERS = range(1, 100)
RUNS = CACHE / "runs"
PEBBLE = {
    "pebble": {
        "listenAddress": "0.0.0.0:443",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/keys/web.pem",
        "privateKey": "/keys/web.key",
        "httpPort": 80,
        "tlsPort": 443,
        # Seconds: Let's Encrypt's 90 days.
        "certificateValidityPeriod": 7776000,
    }
}
SITE = """
import contextlib, functools, http.server, ssl

class Server(http.server.ThreadingHTTPServer):
    def shutdown_request(self, request):
        # A connection that only ends is an error to strict clients of TLS.
        with contextlib.suppress(OSError):
            request.settimeout(5)
            request.unwrap()
        super().shutdown_request(request)

server = Server(("", 443), functools.partial(http.server.SimpleHTTPRequestHandler, directory="/site"))
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/tls/web.pem", "/tls/web.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it took."""
    start = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)


def wait(what: str, attempt: Callable[[], object], seconds: float = 60) -> None:
    """Call `attempt` until it raises no OSError or VpsError. Raises VpsError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except (OSError, VpsError) as error:
            if time.monotonic() > deadline:
                raise VpsError(f"{what}: not within {seconds:.0f} s: {error}") from error
            time.sleep(0.1)


def try_lock(number: int) -> IO[str] | None:
    """The lock on that number, held until it is closed; None where another process holds it."""
    RUNS.mkdir(exist_ok=True)
    file = (RUNS / f"{number}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def loopback(number: int, last: int) -> str:
    return f"127.0.{100 + number}.{last}"


def claim() -> tuple[int, IO[str]]:
    """A number whose addresses are free, with its lock. Raises VpsError when there is none."""
    for number in NUMBERS:
        if lock := try_lock(number):
            # An engine with another cache has other locks.
            with socket.socket() as probe:
                if probe.connect_ex((loopback(number, 1), 8055)):
                    return number, lock
            lock.close()
    raise VpsError(f"All {len(NUMBERS)} numbers for test hosts are taken on this machine.")


def remove(engine: Engine, number: int) -> None:
    """Remove every container and network of that number, the volumes of the containers, and its folder."""
    chosen = ("--quiet", "--filter", f"label={LABEL}={number}")
    if containers := engine.docker("ps", "--all", *chosen).split():
        engine.docker("rm", "--force", "--volumes", *containers)
    if networks := engine.docker("network", "ls", *chosen).split():
        engine.docker("network", "rm", *networks)
    shutil.rmtree(RUNS / str(number), ignore_errors=True)


def sweep(engine: Engine) -> None:
    """Remove what killed runs left: what carries a number that nobody holds."""
    form = ("--format", f'{{{{.Label "{LABEL}"}}}}', "--filter", f"label={LABEL}")
    found = engine.docker("ps", "--all", *form).split() + engine.docker("network", "ls", *form).split()
    for number in sorted({int(number) for number in found}):
        if lock := try_lock(number):
            with lock:
                print(f"Removing what an earlier run left (number {number}).")
                remove(engine, number)


class Internet:
    """`with Internet() as internet:`; hosts are started on it by `host.Host`.

    ssh_config: a file for `ssh -F`, with every running host of this internet in it.
    ca: the authority behind https://registry.test and https://acme.test, in the trust store of every host.
    Inside: http://packages.test/{debian,docker,simple}, https://registry.test, https://acme.test/dir.
    """

    def __init__(self) -> None:
        self.engine = prepared()
        self.ca = CACHE / "keys/ca.pem"
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with timed("internet: up"), ExitStack() as undo:
            sweep(self.engine)
            self.number, lock = claim()
            undo.callback(lock.close)
            remove(self.engine, self.number)
            undo.callback(remove, self.engine, self.number)
            self.folder = RUNS / str(self.number)
            (self.folder / "hosts").mkdir(parents=True)
            self.ssh_config = self.folder / "config"
            self.ssh_config.write_text(f"Include {self.folder}/hosts/*\n")
            self.loopback = loopback(self.number, 1)
            self._free = itertools.count(2)
            self._more = itertools.count(6)
            self._start()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with timed("internet: gone"):
            self._undo.close()

    def name(self, part: str) -> str:
        """What a container or network of this internet is called in the engine."""
        return f"{LABEL.replace('.', '-')}-{self.number}-{part}"

    def address(self) -> str:
        """A loopback address that nothing of this internet uses yet."""
        return loopback(self.number, next(self._free))

    @property
    def nameserver(self) -> str:
        return self._inside(2)

    def _inside(self, last: int) -> str:
        return f"10.214.{self.number}.{last}"

    def _start(self) -> None:
        self.engine.docker(
            "network", "create", "--driver", "bridge", "--label", f"{LABEL}={self.number}",
            "--subnet", self._inside(0) + "/24", "--ip-range", self._inside(128) + "/25",
            # No way out, whatever engine it is: the hosts have what is here.
            "--opt", "com.docker.network.bridge.enable_ip_masquerade=false",
            self.name("net"),
        )  # fmt: skip
        (self.folder / "pebble.json").write_text(json.dumps(PEBBLE))
        programs, keys = CACHE / "tools/usr/bin", f"--volume={CACHE}/keys:/keys:ro"
        self._serve(
            2, "dns", "/challtestsrv", "-dns01", ":53", "-management", ":8055", "-defaultIPv4", "", "-defaultIPv6", "",
            "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
            options=(
                f"--publish={self.loopback}:8055:8055", f"--volume={programs}/pebble-challtestsrv:/challtestsrv:ro",
            ),
        )  # fmt: skip
        self._serve(
            3, "packages", "python3", "-m", "http.server", "--directory", "/packages", "80",
            options=(f"--volume={CACHE}/packages:/packages:ro",),
        )  # fmt: skip
        self._serve(
            4, "registry", "/registry", "serve", "/registry.yml",
            options=(
                keys, f"--volume={programs}/docker-registry:/registry:ro", f"--volume={CACHE}/registry:/data:ro",
                f"--volume={Path(__file__).with_name('image')}/registry.yml:/registry.yml:ro",
                "--env=REGISTRY_HTTP_ADDR=:443", "--env=REGISTRY_HTTP_TLS_CERTIFICATE=/keys/web.pem",
                "--env=REGISTRY_HTTP_TLS_KEY=/keys/web.key",
            ),
        )  # fmt: skip
        self._serve(
            5, "acme", "/pebble", "-config", "/pebble.json", "-dnsserver", f"{self.nameserver}:53",
            options=(
                keys, f"--publish={self.loopback}:443:443", f"--publish={self.loopback}:15000:15000",
                f"--volume={programs}/pebble:/pebble:ro", f"--volume={self.folder}/pebble.json:/pebble.json:ro",
                # Pebble refuses and delays at random, to test clients; these tests are not about that.
                "--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_AUTHZREUSE=0", "--env=PEBBLE_WFE_NONCEREJECT=0",
            ),
        )  # fmt: skip
        wait("the DNS of the test hosts", lambda: self.point("packages.test", self._inside(3)))
        self.point("registry.test", self._inside(4))
        self.point("acme.test", self._inside(5))
        wait("the ACME server", self.acme_root)

    def _serve(self, last: int, name: str, *command: str, options: tuple[str, ...]) -> None:
        self.engine.docker(
            "run", "--detach", "--init=false", "--name", self.name(name), "--hostname", name,
            "--label", f"{LABEL}={self.number}", "--network", self.name("net"), "--ip", self._inside(last),
            *options, self.engine.python_image, *command,
        )  # fmt: skip

    def publish(self, domain: str, path: str, folder: Path) -> None:
        """Serve a folder at https://<domain>/<path>, by a certificate that the hosts trust, from now on."""
        last = next(self._more)
        keys = self._certify(domain)
        self._serve(
            last, f"site-{last}", "python3", "-c", SITE,
            options=(f"--volume={keys}:/tls:ro", f"--volume={folder}:/site/{path}:ro"),
        )  # fmt: skip
        self.point(domain, self._inside(last))

    def authority(self, domain: str, seconds: int) -> str:
        """Start another ACME server, whose certificates are good for so long. Returns its directory's address."""
        last = next(self._more)
        keys = self._certify(domain)
        settings = {
            **PEBBLE["pebble"],
            "certificate": "/tls/web.pem",
            "privateKey": "/tls/web.key",
            "certificateValidityPeriod": seconds,
        }
        (keys / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self._serve(
            last, f"acme-{last}", "/pebble", "-config", "/tls/pebble.json", "-dnsserver", f"{self.nameserver}:53",
            options=(
                f"--volume={keys}:/tls:ro", f"--volume={CACHE / 'tools/usr/bin'}/pebble:/pebble:ro",
                "--env=PEBBLE_VA_NOSLEEP=1", "--env=PEBBLE_AUTHZREUSE=0", "--env=PEBBLE_WFE_NONCEREJECT=0",
            ),
        )  # fmt: skip
        self.point(domain, self._inside(last))
        return f"https://{domain}/dir"

    def _certify(self, domain: str) -> Path:
        """A folder with a key and a certificate of that domain, by the authority that the hosts trust."""
        folder = self.folder / domain
        folder.mkdir(exist_ok=True)  # another test of the same worker may have published it as well
        subprocess.run(
            ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "30", "-CA", CACHE / "keys/ca.pem", "-CAkey", CACHE / "keys/ca.key", "-subj", f"/CN={domain}",
             "-addext", f"subjectAltName=DNS:{domain}", "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", folder / "web.key", "-out", folder / "web.pem"),
            check=True, capture_output=True,
        )  # fmt: skip
        return folder

    def point(self, domain: str, address: str) -> None:
        """Have the hosts, and the ACME server, resolve `domain` to `address` alone."""
        self._tell("clear-a", {"host": domain + "."})
        self._tell("add-a", {"host": domain + ".", "addresses": [address]})

    def forget(self, domain: str) -> None:
        """Have nobody resolve `domain` any more."""
        self._tell("clear-a", {"host": domain + "."})

    def _tell(self, verb: str, value: object) -> None:
        request = urllib.request.Request(f"http://{self.loopback}:8055/{verb}", json.dumps(value).encode())
        try:
            with urllib.request.urlopen(request, timeout=10):
                pass
        except OSError as error:
            raise VpsError(f"the DNS of the test hosts does not answer: {error}") from None

    def acme_root(self) -> str:
        """The root certificate (PEM) of what https://acme.test/dir issues; another one at every start."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = False  # It is asked by its address; the authority is the test's own.
        with urllib.request.urlopen(f"https://{self.loopback}:15000/roots/0", timeout=10, context=context) as answer:
            return str(answer.read().decode())
