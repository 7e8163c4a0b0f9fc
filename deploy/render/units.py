"""systemd's units of autostart, and the hook that tells nginx of a renewed certificate."""

from collections.abc import Iterator

from deploy.stack import HostStack
from deploy.types import Effect, File

SERVICE = "greffier-autostart.service"
SOCKET = "greffier-autostart.socket"
UNIT = f"/etc/systemd/system/{SERVICE}"
ADDRESS = f"/etc/systemd/system/{SOCKET}"
HOOK = "/etc/greffier/tls/renewed"

_UNIT = """\
[Unit]
Description=Greffier autostart: wakes speech services when they are called
After=network.target docker.service greffier-autostart.socket
Wants=docker.service
Requires=greffier-autostart.socket

[Service]
User=greffier
Group=greffier
# Starting and stopping containers takes Docker's socket, which is as good as root: of this user's programs
# only autostart has it (`notify` runs another), it listens on 127.0.0.1 alone but where the inventory says
# otherwise (`wyoming`), and no container shares its ids.
SupplementaryGroups=docker
Environment=PYTHONPATH={code}/src
ExecStartPre=/bin/sh -c 'echo {release} >/run/greffier/autostart.release'
ExecStart={python} -m greffier_autostart serve --config {config}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
TimeoutStopSec=60
RuntimeDirectory=greffier
RuntimeDirectoryMode=0750
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

_SOCKET = """\
[Unit]
Description=Greffier autostart's address: while autostart restarts, whoever calls waits here

[Socket]
ListenStream=127.0.0.1:{port}
Backlog=4096

[Install]
WantedBy=sockets.target
"""

_HOOK = """\
#!/bin/sh
# certbot calls this with a certificate that it has just got.
set -e
install -m 0600 "$RENEWED_LINEAGE/privkey.pem" {tls}/privkey.pem
install -m 0644 "$RENEWED_LINEAGE/fullchain.pem" {tls}/fullchain.pem
exec systemctl reload nginx
"""


def files(host: HostStack) -> Iterator[tuple[str, File]]:
    """The units, and certbot's hook where Let's Encrypt is used."""
    layout, autostart = host.layout, host.autostart
    text = _UNIT.format(
        code=autostart.code(layout.opt),
        python=autostart.python(layout.opt),
        release=autostart.release,
        config=f"{layout.etc}/autostart/config.json",
    )
    again = (Effect("restart", "autostart"),)
    yield UNIT, File((text,), 0o644, "root", "root", again)
    yield ADDRESS, File((_SOCKET.format(port=layout.autostart_port),), 0o644, "root", "root", again)
    if host.tls.mode == "letsencrypt":
        yield HOOK, File((_HOOK.format(tls=f"{layout.etc}/tls/greffier"),), 0o755, "root", "root")
