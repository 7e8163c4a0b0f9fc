"""nginx and autostart as services of a host's systemd."""

from deploy.errors import KitError
from deploy.targets import Target

UNITS = {"nginx": "nginx.service", "autostart": "greffier-autostart.service"}


class Systemd:
    """Speaks with systemctl over the target's connection."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def running(self, unit: str) -> bool:
        return self._target.run(("systemctl", "is-active", UNITS[unit]), check=False).strip() == "active"

    def start(self, unit: str) -> None:
        self._target.run(("systemctl", "daemon-reload"))
        self._do("restart", unit)

    def reload(self, unit: str) -> None:
        self._do("reload", unit)

    def stop(self, unit: str) -> None:
        """nginx is the host's own and may serve others: it is never stopped."""
        if unit != "nginx":
            self._do("stop", unit)

    def check(self) -> None:
        self._target.run(("nginx", "-t"))

    def release(self, unit: str) -> str:
        raw = self._target.read(f"{self._target.layout.run}/{unit}.release")
        return raw.decode().strip() if raw else "1"

    def _do(self, verb: str, unit: str) -> None:
        try:
            self._target.run(("systemctl", verb, UNITS[unit]))
        except KitError as error:
            journal = ("journalctl", "--no-pager", "-n", "50", "-u", UNITS[unit])
            said = self._target.run(journal, check=False)
            raise KitError(f"systemd could not {verb} {unit}.", output=error.output + said) from None
