"""What the inventory says."""

import json
import os
import shlex
from pathlib import Path

from pyinfra import host
from pyinfra.facts.docker import DockerContainer, DockerImage
from pyinfra.facts.files import File
from pyinfra.facts.server import Command
from pyinfra.operations import files, server, systemd

HERE = Path(__file__).parent.parent
state = json.loads(Path(os.environ["STATE"]).read_text())
code, environment = state["code_folder"], state["environment_folder"]

if not host.get_fact(File, path=f"{code}/.complete"):
    files.put(name="autostart's code", src=state["code_archive"], dest="/opt/greffier/code.tar.gz")
    server.shell(name="autostart's code, unpacked", commands="tar -xzf /opt/greffier/code.tar.gz -C /")

if not host.get_fact(File, path=f"{environment}/.complete"):
    pip = f"{environment}/bin/python -m pip install --only-binary :all: --require-hashes"
    server.shell(
        name="autostart's environment",
        commands=[
            f"python3 -m venv {environment}",
            f"{pip} -r {code}/requirements.lock",
            f"touch {environment}/.complete",
        ],
    )

for model in state["models"]:
    files.download(name=f"The model's {model['path']}", src=model["url"], dest=model["path"], sha256sum=model["sha256"])

if not host.get_fact(DockerImage, object_id=state["image"]):
    files.put(name="The image's context", src=state["context_archive"], dest="/var/lib/greffier/context.tar")
    build = f"docker build --tag {state['image']} --file {state['dockerfile']} - </var/lib/greffier/context.tar"
    server.shell(name="The image", commands=build)

changes = {}
for file in state["files"]:
    put = files.put(
        name=file["path"],
        src=file["source"],
        dest=file["path"],
        mode=file["mode"],
        user=file["owner"],
        group=file["group"],
    )
    for effect in file["then"]:
        changes.setdefault(effect, []).append(put.did_change)

if not host.get_fact(DockerContainer, object_id=state["container"]):
    changes.setdefault(f"restart {state['service']}", []).append(lambda: True)

names = f"NAMES={shlex.quote(state['names'])}; export NAMES; "
checked = f"if ( {names}{(HERE / 'certified.sh').read_text()} ); then echo fine; fi"
if host.get_fact(Command, command=checked) != "fine":
    issued = server.shell(name="The certificate", commands=names + (HERE / "certify.sh").read_text())
    changes["reload nginx"].append(issued.did_change)

for unit in state["units"]:
    systemd.service(name=unit, service=unit, running=True, enabled=True)


def after(effect, operation, **arguments):
    """Do it where one of the files that call for it has changed."""
    causes = changes.get(effect, [])
    operation(name=effect, _if=lambda: any(cause() for cause in causes), **arguments)


folder = state["compose_folder"]
after(
    f"restart {state['service']}",
    server.shell,
    commands=f"docker compose --project-directory {folder} up --no-start --force-recreate",
)
after("restart autostart", systemd.service, service="greffier-autostart", restarted=True, daemon_reload=True)
after("reload autostart", systemd.service, service="greffier-autostart", reloaded=True)
after("reload nginx", server.shell, commands=["nginx -t", "systemctl reload nginx"])
