"""nginx and autostart as services of a host's systemd."""

import time
from collections.abc import Sequence

from deploy.errors import KitError
from deploy.render import nginx, notify
from deploy.render.units import GUARD, SERVICE, SOCKET
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.targets import Target

START_SECONDS = 15
NGINX_CONF = "/etc/nginx/nginx.conf"
UNITS = {"nginx": "nginx.service", "autostart": SERVICE}


class Systemd:
    """Speaks with systemctl over the target's connection."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def running(self, unit: str) -> bool:
        return self._target.run(("systemctl", "is-active", UNITS[unit]), check=False).strip() == "active"

    def start(self, unit: str) -> None:
        """Start or restart, and wait until it serves. Raises KitError with its journal."""
        self._target.run(("systemctl", "daemon-reload"))
        if unit == "autostart":
            self._target.run(("systemctl", "enable", "--quiet", GUARD), check=False)
        self._do("restart", unit)
        if unit != "autostart":
            return
        until = time.monotonic() + START_SECONDS
        while not self._target.existing([self._target.layout.control]):
            if time.monotonic() > until or not self.running(unit):
                raise KitError(f"{unit} did not start.", output=self._journal(unit))
            time.sleep(0.05)

    def reload(self, unit: str) -> None:
        if unit == "systemd":  # which reads the units of others, too
            self._target.run(("systemctl", "daemon-reload"))
        elif unit == "notify":
            self._clock()
        else:
            self._do("reload", unit)

    def _clock(self) -> None:
        """Start the timer that tells somebody, or end it where its file is gone."""
        wanted = bool(self._target.existing([notify.CLOCK]))
        if not wanted:
            self._target.run(("systemctl", "stop", notify.TIMER), check=False)
            self._target.remove(f"/etc/systemd/system/timers.target.wants/{notify.TIMER}", notify.STATE)
        self._target.run(("systemctl", "daemon-reload"))
        if wanted:
            self._target.run(("systemctl", "enable", notify.TIMER))
            self._target.run(("systemctl", "restart", notify.TIMER))

    def stop(self, unit: str) -> None:
        """nginx is the host's own and may serve others: it is never stopped."""
        if unit != "nginx" and self._show("LoadState", unit) != "not-found":
            # Its address first, which would start it again for the next caller.
            self._target.run(("systemctl", "stop", SOCKET), check=False)
            self._do("stop", unit)

    def check(self) -> None:
        self._target.run(("nginx", "-t"))

    def nginx(self) -> Asking[tuple[tuple[int, ...], str]]:
        """(version such as (1, 26, 3), group of its workers); empty where there is no nginx, or it does not say."""
        # Not by `nginx -T`, which says nothing where a file of somebody else's is wrong.
        said = yield from asking.run(("sh", "-c", f"nginx -V 2>&1; cat {NGINX_CONF}"), check=False)
        return nginx.version(said), nginx.workers(said)

    def standing(self, units: Sequence[str]) -> Asking[dict[str, str]]:
        run = self._target.layout.run
        states, releases = yield from asking.together(
            asking.run(("systemctl", "is-active", *(UNITS[unit] for unit in units)), check=False),
            asking.together(*(asking.read(f"{run}/{unit}.release") for unit in units)),
        )
        found = zip(units, states.split(), releases, strict=False)  # a systemd that does not answer says nothing
        return {
            unit: raw.decode(errors="replace").strip() if raw else "1"
            for unit, state, raw in found
            if state == "active"
        }

    def _show(self, name: str, unit: str) -> str:
        return self._target.run(("systemctl", "show", "--property", name, "--value", UNITS[unit])).strip()

    def _do(self, verb: str, unit: str) -> None:
        try:
            self._target.run(("systemctl", verb, UNITS[unit]))
        except KitError as error:
            raise KitError(f"systemd could not {verb} {unit}.", output=error.output + self._journal(unit)) from None

    def _journal(self, unit: str) -> str:
        return self._target.run(("journalctl", "--no-pager", "-n", "50", "-u", UNITS[unit]), check=False)
