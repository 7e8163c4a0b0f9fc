"""Where things lie: on a VPS, and in one folder of this machine."""

import os
from collections.abc import Mapping
from pathlib import Path

from deploy.host import files
from deploy.types import Layout


def system_layout() -> Layout:
    """A VPS: Debian's places, the standard ports."""
    return Layout(
        runtime="compose",
        etc="/etc/greffier",
        opt="/opt/greffier",
        var="/var/lib/greffier",
        run="/run/greffier",
        log="/var/log/greffier",
        models="/var/lib/greffier/models",
        nginx_conf="/etc/nginx/conf.d",
        nginx_main="",
        nginx_access="/var/log/nginx/access.log",
        nginx_errors="/var/log/nginx/error.log",
        nginx_user="",
        nginx_version=(),
        addresses=("0.0.0.0", "[::]"),
        http_port=80,
        https_port=443,
        autostart_port=8890,
        auth_port=8891,
        service_ports=(),
        root="root",
        root_group="root",
        group="greffier",
        www="www-data",
    )


def local_layout(root: Path, models: Path, ports: Mapping[str, int]) -> Layout:
    """One folder of this machine, run by the user who calls."""
    user, group = files.user(os.geteuid()), files.group(os.getegid())
    return Layout(
        runtime="process",
        etc=f"{root}/etc",
        opt=f"{root}/opt",
        var=f"{root}/var",
        run=f"{root}/run",
        log=f"{root}/log",
        models=str(models),
        nginx_conf=f"{root}/etc/nginx/conf.d",
        nginx_main=f"{root}/etc/nginx/nginx.conf",
        nginx_access=f"{root}/log/nginx-access.log",
        nginx_errors=f"{root}/log/nginx-error.log",
        nginx_user=f"{user} {group}" if os.geteuid() == 0 else "",
        nginx_version=(),
        addresses=("127.0.0.1",),
        http_port=ports.get("http", 8080),
        https_port=ports.get("https", 8443),
        autostart_port=ports.get("autostart", 8890),
        auth_port=ports.get("auth", 8891),
        service_ports=tuple((k[8:], v) for k, v in sorted(ports.items()) if k.startswith("service:")),
        root=user,
        root_group=group,
        group=group,
        www=group,
    )
