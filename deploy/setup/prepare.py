"""A bare Debian or Ubuntu host becomes ready: packages, the user, folders, autostart. Idempotent."""

from deploy.config.stack import HostStack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.render import units
from deploy.reporting import Reporter
from deploy.runtime import components
from deploy.setup import apt
from deploy.transport.ssh import Ssh
from deploy.transport.targets import Target, Writing

SYSTEMS = {("debian", "12"), ("debian", "13"), ("ubuntu", "24.04")}


def bootstrap(ssh: Ssh) -> None:
    """Python is what everything else is done with: install it where it is missing."""
    ssh.plain(("sh", "-c", "command -v python3 >/dev/null || { apt-get -q update && apt-get -q -y install python3; }"))


def run(host: HostStack, target: Target, report: Reporter) -> list[str]:
    """Make the host ready. Returns what was done, in sentences. Raises KitError."""
    facts = target.facts
    system = (str(facts["system"]), str(facts["version"]))
    if system not in SYSTEMS:
        known = ", ".join(f"{name} {version}" for name, version in sorted(SYSTEMS))
        raise KitError(f"{host.name} runs {' '.join(system)}.", f"Greffier supports {known}.", code=HOST)
    with report.step("Checking packages"):
        packages, done = apt.lacking(target)
    if packages:
        with report.step(f"Installing {', '.join(packages)}") as bar:
            for line in apt.install(target, packages):
                bar.update(0, 0, line)
        done.append(f"installed {', '.join(packages)}")
    done += _user(target)
    done += _folders(host, target)
    done += _autostart(host, target, report)
    return done


def _user(target: Target) -> list[str]:
    if target.run(("getent", "passwd", "greffier"), check=False):
        return []
    target.run(
        ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/greffier",
         "--shell", "/usr/sbin/nologin", "greffier")
    )  # fmt: skip
    return ["created the user greffier, which runs autostart"]


def _folders(host: HostStack, target: Target) -> list[str]:
    layout = host.layout
    wanted = [layout.etc, layout.opt, layout.var, layout.models, layout.log]
    if target.existing(wanted) == set(wanted):
        return []
    target.folders(wanted)
    target.run(("chown", "greffier:greffier", layout.log))
    return [f"created {', '.join(wanted)}"]


def _autostart(host: HostStack, target: Target, report: Reporter) -> list[str]:
    parts = components.of(host)
    built = target.answer(components.complete(target, parts))
    done = []
    for component in parts:
        if component.path not in built:
            with report.step(f"Installing {component.label}") as bar:
                components.build(target, host.layout, component, bar)
            done.append(f"installed {component.label}")
    wanted = {path: file for path, file in units.files(host) if path in (units.UNIT, units.ADDRESS, units.GUARD_UNIT)}
    there = target.states(list(wanted), list(wanted))
    if any(path not in there or there[path].text != file.text for path, file in wanted.items()):
        target.write_all([Writing(p, f.text.encode(), f.mode, f.owner, f.group) for p, f in wanted.items()])
        target.run(("systemctl", "daemon-reload"))
        target.run(("systemctl", "enable", units.SERVICE, units.SOCKET, units.GUARD))
        done.append("installed the service greffier-autostart")
    return done


def find(hosts: tuple[HostStack, ...], name: str) -> HostStack:
    """The host that a setup is for. Raises KitError."""
    for host in hosts:
        if host.name == name:
            if host.runtime == "process":
                raise KitError(f"{name} is this machine and needs no setup: run `greffier deploy`.", code=INVENTORY)
            return host
    raise KitError(f"There is no host {name!r}.", f"Known: {', '.join(h.name for h in hosts)}.", code=INVENTORY)
