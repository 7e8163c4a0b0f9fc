"""What tells somebody of a host: its configuration, its program, and the timer that runs it."""

import json
from collections.abc import Iterator

from deploy import ROOT
from deploy.config.stack import HostStack
from deploy.types import Effect, File, Part, Reference

SERVICE = "greffier-notify.service"
TIMER = "greffier-notify.timer"
UNIT = f"/etc/systemd/system/{SERVICE}"
CLOCK = f"/etc/systemd/system/{TIMER}"
STATE = "/var/lib/greffier-notify"

_UNIT = """\
[Unit]
Description=Greffier: report expiring certificates and failed services
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
User=greffier
Group=greffier
ExecStart=/usr/bin/python3 -I {program} {config}
StateDirectory=greffier-notify
StateDirectoryMode=0700
UMask=0077
TimeoutStartSec=180
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""

_CLOCK = """\
[Unit]
Description=Greffier: check every two minutes for something to report

[Timer]
OnActiveSec=30s
OnUnitInactiveSec=2min
AccuracySec=15s

[Install]
WantedBy=timers.target
"""


def folder(host: HostStack) -> str:
    return f"{host.layout.etc}/notify"


def command(host: HostStack, sentence: str) -> tuple[str, ...]:
    """Tells one sentence, on the host."""
    return ("/usr/bin/python3", "-I", f"{folder(host)}/notify.py", f"{folder(host)}/config.json", sentence)


def files(host: HostStack) -> Iterator[tuple[str, File]]:
    """Nothing where nobody is to be told."""
    told, layout = host.notify, host.layout
    if not told:
        return
    to = {"to": told.mail, "sender": told.sender, "server": told.server, "port": told.port, "user": told.user}
    config = {
        "host": host.name,
        "certificate": f"{layout.etc}/tls/greffier/fullchain.pem",
        "control": layout.control,
        "state": f"{STATE}/told.json",
        "secrets": f"{folder(host)}/.env",
        "webhook": "" if isinstance(told.webhook, Reference) else told.webhook,
        "mail": to if told.mail else None,
    }
    parts: list[Part] = []
    for name, value in (("WEBHOOK", told.webhook), ("PASSWORD", told.password)):
        if isinstance(value, Reference):
            parts += [f"{name}='", value, "'\n"]
    source = (ROOT / "deploy/host/notify.py").read_text(encoding="utf-8")
    again = (Effect("reload", "notify"),)
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    yield f"{folder(host)}/config.json", File((text,), 0o640, layout.root, layout.group)
    yield f"{folder(host)}/.env", File(tuple(parts), 0o640, layout.root, layout.group)
    yield f"{folder(host)}/notify.py", File((source,), 0o644, layout.root, layout.root_group)
    unit = _UNIT.format(program=f"{folder(host)}/notify.py", config=f"{folder(host)}/config.json")
    yield UNIT, File((unit,), 0o644, "root", "root", again)
    yield CLOCK, File((_CLOCK,), 0o644, "root", "root", again)
