"""What stands in the way of a deploy is judged by one look at the host, all of it at once."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy import host as programs
from deploy.rollout.preflight import Need, Wanted, obstacles

GB = 10**9
WANTED = Wanted(
    "vps",
    (
        Need("Greffier's own files", "/var/lib/greffier", GB // 10),
        Need("a/model", "/var/lib/greffier/models", GB),
    ),
    (Need("the image of whisper", "", 2 * GB),),
    {"whisper": 4 << 30},
    ("/etc/greffier/", "/etc/nginx/conf.d/greffier-"),
)
WELL: Mapping[str, Any] = {
    "memory": 4 * GB,  # what a host sold with 4 GB has
    "docker": {"version": "20.10.24+dfsg1", "root": "/srv/docker", "compose": "Docker Compose version v2.26.1"},
    "nginx": "",
    "free": {"/var/lib/greffier": [1, 5 * GB], "/var/lib/greffier/models": [1, 5 * GB], "/srv/docker": [2, 3 * GB]},
}


@pytest.mark.parametrize(
    "change, told",
    [
        ({}, []),
        ({"memory": 3 * GB}, ["whisper may use 4G of memory, but vps has 3.00 GB."]),
        ({"docker": {**WELL["docker"], "version": "19.03.8"}}, ["Docker 19.03.8 on vps is too old."]),
        ({"docker": {**WELL["docker"], "compose": ""}}, ["Docker on vps has no Compose v2."]),
        (
            {"docker": {"version": "", "root": "/srv/docker", "said": "Cannot connect"}},
            ["Docker is not responding on vps."],
        ),
        # Our own files are put right by the deploy.
        ({"nginx": "[emerg] in /etc/nginx/conf.d/greffier-http.conf:1"}, []),
        (
            {"nginx": "[emerg] in /etc/nginx/conf.d/shop.conf:1"},
            ["nginx on vps rejects its current configuration, which is not Greffier's."],
        ),
        (
            {"free": {**WELL["free"], "/srv/docker": [2, GB]}, "memory": GB},
            [
                "whisper may use 4G of memory, but vps has 1.00 GB.",
                "vps has 1.00 GB free at /srv/docker, but this deploy needs 2.00 GB (the image of whisper 2.00 GB).",
            ],
        ),
        # Each is small enough, but they are on the same disk.
        (
            {"free": {path: [1, 3 * GB] for path in WELL["free"]}},
            [
                "vps has 3.00 GB free at /var/lib/greffier, /var/lib/greffier/models, /srv/docker, but this deploy "
                "needs 3.10 GB (Greffier's own files 0.10 GB, a/model 1.00 GB, the image of whisper 2.00 GB)."
            ],
        ),
    ],
)
def test_what_stands_in_the_way(change: dict[str, Any], told: list[str]) -> None:
    found = list(obstacles(WANTED, {**WELL, **change}))
    assert [obstacle.message for obstacle in found] == told
    assert all(obstacle.hint for obstacle in found)


def test_a_look_at_this_machine(tmp_path: Path) -> None:
    request = {"free": [str(tmp_path / "not" / "yet")], "docker": False, "nginx": False}
    done = subprocess.run(programs.COMMAND, input=programs.piped("look", request), capture_output=True, check=True)
    look = json.loads(done.stdout)
    ((path, (device, free)),) = look["free"].items()
    assert path == str(tmp_path / "not" / "yet") and device == tmp_path.stat().st_dev and free > 0
    assert look["memory"] > 0 and "docker" not in look and "nginx" not in look
