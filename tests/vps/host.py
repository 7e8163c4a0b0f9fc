"""A real Debian server to deploy to: systemd, sshd and sudo, and no Docker, nginx or certbot yet.

    with Host("alpha") as host:
        host.ssh("systemctl is-system-running")

`prepare` has to have run. Ports 22, 80 and 443 of the host are those of `host.address`, a loopback address.
"""

import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

from tests.vps.engine import CACHE, VpsError
from tests.vps.internet import LABEL, Internet, timed, wait

PORTS = (22, 80, 443)
IMAGES = CACHE / "images"
"""What one host has built and another may load, from its /srv/images."""
ADMIN_PASSWORD = "let me in"
"""What sudo asks the user `admin` for; sudo asks `debian` for nothing, and `root` needs none."""
PRIVILEGES = (
    # All that the engine itself has; --privileged would ask for more where the engine's machine lacks a capability.
    "--cap-add=ALL", "--cgroupns=private", "--device-cgroup-rule=a *:* rwm",
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined",
    "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec",
)  # fmt: skip


Kind = Literal["debian12", "debian13", "server"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Bare; or Debian 12 with what `setup` installs by apt, for tests that are not about that."""


class Host:
    """A host called `name` ([a-z0-9-]+), also in DNS as `<name>.test`, on an internet of its own or on the one given.

    address, port: where its sshd answers, on loopback; its 80 and 443 are on the same address.
    inside: its address among the test hosts.
    ssh_config: `ssh -F <ssh_config> <name>` works, for every host of the internet; known_hosts and key are in it.
    """

    port = 22
    key = CACHE / "keys/id_ed25519"

    def __init__(self, name: str, internet: Internet | None = None, kind: Kind = "debian12") -> None:
        self.name = name
        self.kind = kind
        self._given = internet
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.internet = self._given or undo.enter_context(Internet())
            self._docker = self.internet.engine.docker
            self._container = self.internet.name(self.name)
            self.address = self.internet.address()
            self.ssh_config = self.internet.ssh_config
            self.known_hosts = self.internet.folder / f"{self.name}.known_hosts"
            self._snippet = self.internet.folder / "hosts" / self.name
            with timed(f"host {self.name}: up at {self.address}"):
                undo.callback(self.destroy)
                self._start()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _start(self) -> None:
        IMAGES.mkdir(exist_ok=True)
        self._docker(
            "run", "--detach", "--name", self._container, "--hostname", self.name,
            "--label", f"{LABEL}={self.internet.number}", "--network", self.internet.name("net"),
            "--env", f"NAMESERVER={self.internet.nameserver}", *PRIVILEGES,
            *(f"--publish={self.address}:{port}:{port}" for port in PORTS),
            # systemctl reboot ends the container with a status of its own, and a machine comes back.
            "--restart=on-failure",
            f"--volume={IMAGES}:/srv/images:ro",
            self.internet.engine.hosts[self.kind],
        )  # fmt: skip
        self.inside = self._inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
        self.internet.point(f"{self.name}.test", self.inside)
        wait(f"host {self.name}: its ssh key", self.trust)
        self._snippet.write_text(
            f"Host {self.name}\n HostName {self.address}\n Port {self.port}\n User root\n IdentityFile {self.key}\n"
            f" IdentitiesOnly yes\n UserKnownHostsFile {self.known_hosts}\n GlobalKnownHostsFile /dev/null\n"
            " StrictHostKeyChecking yes\n"
        )
        self._wait_for_ssh()

    def _inspect(self, form: str) -> str:
        return self._docker("inspect", "--format", form, self._container)

    def trust(self) -> None:
        """Write the host's present key, read by way of the engine, into known_hosts. VpsError when it has none."""
        # ssh-keygen reads a key that is only half written as none; its .pub may be empty for a moment.
        key = self._docker("exec", self._container, "ssh-keygen", "-y", "-f", "/etc/ssh/ssh_host_ed25519_key")
        self.known_hosts.write_text(f"{self.address} {' '.join(key.split()[:2])}\n")

    def _wait_for_ssh(self) -> None:
        wait(f"host {self.name}: ssh", lambda: self.ssh("true", timeout=20))

    def ssh(self, command: str, *, user: str = "root", stdin: str = "", timeout: float = 300) -> str:
        """Run a shell command there; its standard output. Raises VpsError with both outputs if it fails or lasts."""
        line = (
            "ssh",
            "-F",
            str(self.ssh_config),
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=10",
            "-l",
            user,
            self.name,
        )
        try:
            done = subprocess.run(
                [*line, "--", command], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise VpsError(f"{self.name}: not done within {timeout:.0f} s: {command}\n{late.output}") from None
        if done.returncode:
            raise VpsError(f"{self.name}: status {done.returncode}: {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file there, as root."""
        self.ssh(f"cat >{shlex.quote(path)}", stdin=content)

    def save(self, image: str, file: Path) -> None:
        """Have an image of its Docker in a file of this machine."""
        draft = file.with_suffix(".new")
        with draft.open("wb") as out:
            self.internet.engine.docker("exec", self._container, "docker", "save", image, out=out)
        draft.rename(file)

    def reboot(self) -> None:
        """Reboot as an operator would, and wait until its sshd answers."""
        with timed(f"host {self.name}: rebooted"):
            before = self._inspect("{{.State.StartedAt}}")
            self._docker("exec", self._container, "systemctl", "reboot", "--no-block")
            self._wait_for_boot(before)

    def power_cut(self) -> None:
        """Stop it dead, start it again, and wait until its sshd answers."""
        with timed(f"host {self.name}: power cut"):
            before = self._inspect("{{.State.StartedAt}}")
            self._docker("kill", "--signal=KILL", self._container)
            self._docker("start", self._container)
            self._wait_for_boot(before)

    def _wait_for_boot(self, before: str) -> None:
        def started() -> None:
            if self._inspect("{{.State.Running}} {{.State.StartedAt}}") in (f"true {before}", f"false {before}"):
                raise VpsError("it has not come back")

        wait(f"host {self.name}: boot", started, 120)
        self._wait_for_ssh()

    def destroy(self) -> None:
        """Remove the host with its disks. `with` does it at its end; a second time does nothing."""
        if not self._docker("ps", "--all", "--quiet", "--filter", f"name=^{self._container}$"):
            return
        with timed(f"host {self.name}: gone"):
            self._docker("rm", "--force", "--volumes", self._container)
            self.internet.forget(f"{self.name}.test")
            self._snippet.unlink(missing_ok=True)
            self.known_hosts.unlink(missing_ok=True)
