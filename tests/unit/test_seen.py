"""What a host is seen to be: its nginx, whom that runs as, and whether there is IPv6."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import render
from deploy.config.stack import HostStack, Stack
from deploy.render import nginx
from deploy.state import users
from deploy.state.plan import Record, Survey, Wanted, make
from deploy.transport.targets import Target

DEBIAN = """\
nginx version: nginx/1.22.1
configure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --with-http_ssl_module
user www-data;
worker_processes auto;
"""
NGINX_ORG = """\
nginx version: nginx/1.29.3
configure arguments: --prefix=/etc/nginx --user=nginx --group=nginx --with-http_ssl_module
#user  nobody;
worker_processes  auto;
"""


@pytest.mark.parametrize(
    ("said", "group"),
    [
        (DEBIAN, "www-data"),
        (NGINX_ORG, "nginx"),
        (NGINX_ORG + "user  web staff;\n", "staff"),
        (NGINX_ORG + "  user web ;", "web"),
        (DEBIAN.replace("user www-data;", "# user www-data;"), ""),
        ("sh: 1: nginx: not found", ""),
        ("", ""),
    ],
)
def test_the_group_of_nginxs_workers(said: str, group: str) -> None:
    assert nginx.workers(said) == group


def test_a_host_without_ipv6_listens_on_ipv4_alone(resolved: Callable[[str], Stack]) -> None:
    (host,) = resolved("hosts:\n  vps: {domain: example.org}\nservices:\n  whisper: {kind: faster-whisper}\n").hosts
    for ipv6 in (True, False):
        texts = [file.text for path, file in render.tree(host.seen((), ipv6=ipv6)).items() if "/nginx/" in path]
        assert any("listen [::]:443" in text for text in texts) == ipv6
        assert any("listen 0.0.0.0:443" in text for text in texts)


def test_what_nginx_cannot_read_is_owed(one: HostStack, target: Target, tmp_path: Path) -> None:
    layout = replace(one.layout, runtime="compose")
    assert users.unread("www-data", "nginx", layout) == "its group is www-data, but nginx's workers are in nginx"
    assert not users.unread("nginx", "nginx", layout) and not users.unread("a", "b", one.layout)
    nothing = Wanted({}, {}, {}, [], [], {}, {})
    there = Survey({}, frozenset(), frozenset(), {}, "", False, {}, users.unread("www-data", "nginx", layout))
    assert [str(step) for step in make(nothing, there, Record({}, "1", 1)).steps] == [
        "~ change htpasswd: its group is www-data, but nginx's workers are in nginx"
    ]
