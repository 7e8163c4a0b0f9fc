"""A bare host becomes ready."""

import json
import os
from pathlib import Path

from pyinfra.operations import apt, files, server

state = json.loads(Path(os.environ["STATE"]).read_text())

apt.packages(name="The packages", packages=state["packages"], no_recommends=True)
server.user(
    name="The user that autostart runs as",
    user="greffier",
    system=True,
    home="/var/lib/greffier",
    ensure_home=False,
    shell="/usr/sbin/nologin",
)
for folder in state["folders"]:
    files.directory(
        name=f"The folder {folder['path']}", path=folder["path"], user=folder["owner"], group=folder["group"]
    )
