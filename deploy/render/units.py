"""systemd's units of autostart, and the hook that tells nginx of a renewed certificate."""

from collections.abc import Iterator

from deploy.config.stack import HostStack
from deploy.render.compose import BRIDGE
from deploy.types import Effect, File

SERVICE = "greffier-autostart.service"
SOCKET = "greffier-autostart.socket"
UNIT = f"/etc/systemd/system/{SERVICE}"
ADDRESS = f"/etc/systemd/system/{SOCKET}"
HOOK = "/etc/greffier/tls/renewed"
LINEAGE = "greffier"
LIVE = f"/etc/letsencrypt/live/{LINEAGE}/fullchain.pem"
RENEWAL = f"/etc/letsencrypt/renewal/{LINEAGE}.conf"
RESCUE = "/etc/greffier/tls/rescue"
GUARD = "greffier-guard.service"
GUARD_UNIT = f"/etc/systemd/system/{GUARD}"
AFTER_CERTBOT = "/etc/systemd/system/certbot.service.d/greffier.conf"
LATE_SHARE = 6
"""A certificate with a sixth of its lifetime left should have been renewed: certbot has tried for as long."""

_UNIT = """\
[Unit]
Description=Greffier autostart: wake speech services on demand
After=network.target docker.service greffier-autostart.socket greffier-guard.service
Wants=docker.service greffier-guard.service
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

_RULE = f"FORWARD -o {BRIDGE}+ ! -i {BRIDGE}+ -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP"
"""What comes for a container from elsewhere than its host is dropped, but answers to what it asked. In a table that
neither Docker nor a firewall's programs write to."""

_SEAL = (
    "/bin/sh -c 'for tables in iptables ip6tables; do "
    f"$$tables -w 10 -t mangle -C {_RULE} 2>/dev/null || $$tables -w 10 -t mangle -I {_RULE} || "
    # A host without IPv6 has nothing to guard there.
    "[ $$tables = ip6tables ] || exit 1; done'"
)
UNSEAL = ("sh", "-c", "; ".join(f"{tables} -w 10 -t mangle -D {_RULE}" for tables in ("iptables", "ip6tables")))
"""A command that takes the rule away."""

_GUARD = f"""\
[Unit]
Description=Greffier: block direct access to service containers
# Docker before 28 lets through what a neighbour sends to a container's own address, where a port is published on
# 127.0.0.1 alone. Who loads all rules anew takes this one away: then it is put in place again.
PartOf=greffier-autostart.service nftables.service netfilter-persistent.service firewalld.service
ReloadPropagatedFrom=nftables.service netfilter-persistent.service firewalld.service
After=nftables.service netfilter-persistent.service firewalld.service
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={_SEAL}
ExecReload={_SEAL}

[Install]
WantedBy=multi-user.target docker.service nftables.service netfilter-persistent.service firewalld.service
"""

_SOCKET = """\
[Unit]
Description=Greffier autostart: hold connections while autostart restarts

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

_RESCUE = """\
#!/bin/sh
# certbot has just looked. It renews a certificate for every name or for none, and a name that fails for a day must not
# be lost; but one whose address is gone for good must not cost the others theirs: when a sixth of the lifetime is left,
# it is renewed without those that fail.
set -e
[ -e {live} ] || exit 0
at() {{ date -d "$(openssl x509 -noout "-$1" -in {live} | cut -d= -f2)" +%s; }}
begins=$(at startdate)
ends=$(at enddate)
[ $(((ends - $(date +%s)) * {share})) -gt $((ends - begins)) ] && exit 0
certbot -q renew --cert-name {lineage} --no-random-sleep-on-renew --allow-subset-of-names || true
sed -i /^allow_subset_of_names/d {renewal}
"""

_AFTER_CERTBOT = """\
# Written by Greffier.
[Service]
ExecStopPost=-{rescue}
TimeoutStopSec=15min
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
    yield GUARD_UNIT, File((_GUARD,), 0o644, "root", "root", again)
    yield ADDRESS, File((_SOCKET.format(port=layout.autostart_port),), 0o644, "root", "root", again)
    if host.tls.mode == "letsencrypt":
        yield HOOK, File((_HOOK.format(tls=f"{layout.etc}/tls/greffier"),), 0o755, "root", "root")
        rescue = _RESCUE.format(live=LIVE, lineage=LINEAGE, renewal=RENEWAL, share=LATE_SHARE)
        yield RESCUE, File((rescue,), 0o755, "root", "root")
        reread = (Effect("reload", "systemd"),)
        yield AFTER_CERTBOT, File((_AFTER_CERTBOT.format(rescue=RESCUE),), 0o644, "root", "root", reread)
