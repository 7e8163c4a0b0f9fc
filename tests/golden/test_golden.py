"""Everything that is rendered, against committed trees; and what the real readers of those files say.

`python -m pytest tests/golden --update` rewrites tests/golden/expected after a change that is meant.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from deploy import ROOT, render
from deploy.certificates import issuing
from deploy.config import catalog, inventory, reference, resolve, validation
from deploy.config.stack import HostStack, Stack
from deploy.render import autostart, manifest, nginx
from deploy.runtime.processes import LocalSupervisor, find_nginx, nginx_command, nginx_version
from deploy.state import users
from deploy.transport.layouts import local_layout, system_layout
from deploy.transport.targets import local_target
from deploy.types import Layout, Tree

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"
CASES = {"one-vps": ROOT / "inventory.yml", "two-hosts": HERE / "two-hosts.yml"}
NGINX = {"one-vps": (), "two-hosts": (1, 26, 3)}
"""As `render` writes it without asking the host; and for Debian 13."""
LONG = "transcriptions-of-the-court-of-appeal." + "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + ".example.org"
# As Debian ships it, less what needs root: our files have to fit in there.
DEBIAN_MAIN = """\
worker_processes auto;
pid {root}/run/nginx.pid;
error_log {root}/log/nginx-error.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    access_log {root}/log/access.log;
    gzip on;
    client_body_temp_path {root}/var/body;
    proxy_temp_path {root}/var/proxy;
    fastcgi_temp_path {root}/var/fastcgi;
    uwsgi_temp_path {root}/var/uwsgi;
    scgi_temp_path {root}/var/scgi;
    include {root}/etc/nginx/conf.d/*.conf;
}}
"""


def fixed_layout(host: inventory.Host) -> Layout:
    if host.runtime == "compose":
        return system_layout()
    ports = {"http": 8080, "https": 8443, "autostart": 8890, "auth": 8891}
    ports |= {"service:notes": 8101, "service:notes/wyoming": 8401, "service:interview": 8102}
    layout = local_layout(Path("/srv/demo"), Path("/srv/models"), ports)
    return replace(layout, nginx_user="demo demo", root="demo", root_group="demo", group="demo", www="demo")


AUTOSTART = replace(catalog.autostart(), digest="a5a5" * 16, lock_digest="5a5a" * 16)


def resolved(path: Path) -> Stack:
    """The stack of an inventory; what changes with every line of a service's code is fixed."""
    wrote, problems, source = validation.load(path)
    kinds = {
        name: replace(
            kind,
            digest="c0de" * 16,
            code_digest="c0de" * 16,
            lock_digest="10cc" * 16,
            openapi_text='{"openapi": "3.1.0"}\n' if kind.openapi_text else "",
        )
        for name, kind in catalog.load().items()
    }
    layouts = {name: fixed_layout(host) for name, host in wrote.hosts.items()}
    return resolve.stack(wrote, source, kinds, layouts, AUTOSTART, problems)


def rights(tree: Tree) -> str:
    lines = []
    for path, file in tree.items():
        after = ", ".join(map(str, file.on_change))
        lines.append(f"{file.mode:04o} {file.owner}:{file.group} {path}" + (f" -> {after}" if after else ""))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_a_release_kept_without_its_manifest_has_the_same_one(case: str) -> None:
    """An earlier Greffier kept none: it is read out of what was rendered."""
    for host in resolved(CASES[case]).hosts:
        for slots in (host, host.in_second_slots([service.name for service in host.services])):
            wanted = render.services(slots)
            assert manifest.of_files(render.tree(slots)) == wanted
            assert manifest.loaded(json.loads(json.dumps(manifest.dumped(wanted)))) == wanted


@pytest.mark.parametrize("case", CASES)
def test_the_whole_tree_is_as_committed(case: str, request: pytest.FixtureRequest) -> None:
    got = {}
    for host in resolved(CASES[case]).hosts:
        tree = render.tree(host.seen(NGINX[case]))
        got |= {f"{host.name}{path}": file.text for path, file in tree.items()}
        got[f"{host.name}/rights.txt"] = rights(tree)
    folder = EXPECTED / case
    committed = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    if request.config.getoption("--update"):
        for name in committed.keys() - got.keys():
            (folder / name).unlink()
        for name, text in got.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return
    assert sorted(got) == sorted(committed)
    for name, text in got.items():
        assert text == committed[name], f"{case}/{name} changed; --update takes it as it is now"


def test_rendering_twice_gives_the_same_bytes() -> None:
    first, second = (render.tree(resolved(CASES["two-hosts"]).hosts[0]) for _ in range(2))
    assert first == second


def test_the_reference_and_the_schema_are_as_the_models_say(tmp_path: Path) -> None:
    reference.main(tmp_path)
    for name in ("inventory.md", "inventory.schema.json"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text(), "run: make docs"


SECURE = re.compile(r"^ *listen \S+:8?443 ssl( http2)?( default_server)?;$", re.MULTILINE)


@pytest.mark.parametrize("version", [(), (1, 22, 1), (1, 24, 0), (1, 25, 0), (1, 25, 1), (1, 26, 3), (2, 0, 0)])
@pytest.mark.parametrize("case", CASES)
def test_http2_is_written_as_the_hosts_nginx_knows_it(case: str, version: tuple[int, ...]) -> None:
    for host in resolved(CASES[case]).hosts:
        texts = {path: file.text for path, file in render.tree(host.seen(version)).items() if "/nginx" in path}
        by_listening = {found[1] for text in texts.values() for found in SECURE.finditer(text)}
        directives = [path.rpartition("/")[2] for path, text in texts.items() if "http2 on;" in text]
        if version >= (1, 25, 1):
            assert by_listening == {None} and directives == ["tls.conf"]
        else:
            assert by_listening == {" http2"} and directives == []
        including = [text for path, text in texts.items() if re.search(r"greffier-(portal|service-)", path)]
        assert including and all("/nginx/tls.conf" in text for text in including)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("nginx version: nginx/1.22.1", (1, 22, 1)),
        ("nginx version: nginx/1.24.0 (Ubuntu)\n", (1, 24, 0)),
        ("Tengine version: Tengine/2.3.3\nnginx version: nginx/1.18.0", (1, 18, 0)),
        ("nginx version: openresty/1.27.1.2", ()),
        ("sh: 1: nginx: not found", ()),
        ("", ()),
    ],
)
def test_the_version_is_what_nginx_says(said: str, version: tuple[int, ...]) -> None:
    assert nginx.version(said) == version


def test_how_many_connections_a_worker_takes_is_what_nginx_says() -> None:
    assert nginx.connections(DEBIAN_MAIN) == 768
    assert nginx.connections("events {\n\tworker_connections 768;\n\t# worker_connections 9;\n}\n") == 768
    assert nginx.connections("events {\n  # worker_connections 768;\n}") == nginx.connections("") == 512
    ours = render.tree(resolved(CASES["two-hosts"]).hosts[1])
    main = next(file.text for path, file in ours.items() if path.endswith("nginx.conf"))
    assert nginx.connections(main) == nginx.WORKER_CONNECTIONS


def rooted(host: HostStack, root: Path) -> HostStack:
    """The same host inside a folder, on ports that need no root, with this machine's nginx."""
    own = replace(local_layout(root, root / "models", {}), nginx_version=nginx_version())
    if host.runtime == "compose":
        main = root / "etc" / "nginx" / "nginx.conf"
        layout = replace(own, runtime="compose", nginx_main="", addresses=("127.0.0.1", "127.0.0.2"))
        main.parent.mkdir(parents=True)
        main.write_text(DEBIAN_MAIN.format(root=root))
        return replace(host, layout=layout)
    return replace(host, layout=own)


def nginx_says(host: HostStack, root: Path) -> subprocess.CompletedProcess[str]:
    """What the real `nginx -t` says of a host's tree, written below `root` with its certificates."""
    host = rooted(host, root)
    target = local_target("here", host.layout, LocalSupervisor(host.layout, {}))
    for folder in ("run", "log", "var/nginx"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    issuing.install(host, target, {})
    users.ensure(target, host.layout)
    for path, file in render.tree(host).items():
        if path.startswith(f"{root}/"):  # systemd's unit lies elsewhere, and is none of nginx's
            target.write(path, file.text.encode(), file.mode, file.owner, file.group)
    command = nginx_command(host.layout)
    if not host.layout.nginx_main:
        command = (find_nginx(), "-c", str(root / "etc/nginx/nginx.conf"), "-e", str(root / "log/nginx-error.log"))
    return subprocess.run((*command, "-t"), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES)
def test_the_real_nginx_accepts_it(case: str, tmp_path: Path) -> None:
    for host in resolved(CASES[case]).hosts:
        said = nginx_says(host, tmp_path / host.name)
        assert said.returncode == 0, said.stderr
        assert "warn" not in said.stderr


def test_the_real_nginx_takes_the_longest_host_name(tmp_path: Path) -> None:
    for number, host in enumerate(resolved(CASES["two-hosts"]).hosts):
        long = replace(host, services=tuple(replace(s, hostname=LONG) for s in host.services))
        said = nginx_says(long, tmp_path / str(number))
        assert said.returncode == 0, said.stderr


def test_the_real_nginx_takes_a_host_that_runs_nothing_yet(tmp_path: Path) -> None:
    for number, host in enumerate(resolved(CASES["two-hosts"]).hosts):
        said = nginx_says(replace(host, services=(), portal=""), tmp_path / str(number))
        assert said.returncode == 0, said.stderr


def test_autostart_accepts_its_configuration(tmp_path: Path) -> None:
    host = rooted(resolved(CASES["two-hosts"]).hosts[1], tmp_path)
    path = tmp_path / "config.json"
    path.write_text(render.tree(host)[autostart.path(host)].text)
    script = "import sys, pathlib; from greffier_autostart.config import load_config as load"
    script += "; print(load(pathlib.Path(sys.argv[1])).services[0].name)"
    said = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "autostart" / "src")},
    )
    assert (said.stdout, said.stderr) == ("notes\n", "")


def test_a_compose_linter_accepts_every_compose_file(tmp_path: Path) -> None:
    linter = ROOT / "tests/npm/node_modules/.bin/dclint"
    assert linter.exists(), "run: make setup-tests"
    files = []
    for case, path in CASES.items():
        for host in resolved(path).hosts:
            for name, file in render.tree(host).items():
                if name.endswith("compose.yml"):
                    files.append(tmp_path / case / name.lstrip("/"))
                    files[-1].parent.mkdir(parents=True)
                    files[-1].write_text(file.text)
    assert len(files) == 5
    # With yargs 17 (package.json) it runs on Debian 12's Node 18 as well, and only has to be told that it may.
    env = {**os.environ, "YARGS_MIN_NODE_VERSION": "18"}
    said = subprocess.run([linter, "-q", *files], capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_container_can_do_little() -> None:
    """What the linter does not look for."""
    for host in resolved(CASES["two-hosts"]).hosts[:1]:
        text = render.tree(host)["/etc/greffier/services/court/compose.yml"].text
        service = yaml.safe_load(text)["services"]["court"]
        assert service["restart"] == "no" and service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001" and service["mem_limit"] == 12 << 30
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
        assert "WEBHOOK_TOKEN" not in service["environment"]
