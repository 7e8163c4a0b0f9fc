"""What a look at a host means: nginx's dump, sockets, containers and units as they come, and what is made of them."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.adoption import detect, journal, judge, nginx_parser
from deploy.adoption.detect import Config, Container, Unit
from deploy.config.stack import HostStack, Stack
from deploy.errors import KitError
from deploy.host.neighbours import owner
from deploy.transport.targets import Target

ID = "0123456789abcdef" * 4
DUMP = """\
# configuration file /etc/nginx/nginx.conf:
user www-data;
events { worker_connections 768; }
http {
    include mime.types;
    log_format odd '{"path": "$uri"; }' ;  # braces in quotes are none
    include /etc/nginx/conf.d/*.conf;
    include sites-enabled/*;
    include /etc/nginx/fixed.conf;
    server { listen 8080; server_name in.main.org; proxy_pass http://10.0.0.9:8890; }
}
# configuration file /etc/nginx/mime.types:
types { text/html html; }
# configuration file /etc/nginx/conf.d/stt.conf:
upstream stt { server 127.0.0.1:8890 max_fails=0; keepalive 8; }
server { listen 127.0.0.1:8001; server_name _ "" ~^w.*$ *.example.org; }
# configuration file /etc/nginx/sites-enabled/whisper:
# a comment { that
server {
    listen [::]:443 ssl;
    server_name Whisper.Example.org;
    location ~ "^/v1/{2}" { include snippets/proxy.conf; auth_basic_user_file .htpasswd; }
}
# configuration file /etc/nginx/snippets/proxy.conf:
proxy_pass http://stt/v1$request_uri;
# configuration file /etc/nginx/fixed.conf:
server { listen unix:/run/x.sock; set $to http://localhost:8001; proxy_pass $to; }
"""


def test_servers_are_found_with_the_file_that_each_goes_with() -> None:
    found = {vhost.path: vhost for vhost in nginx_parser.vhosts(DUMP)}
    assert {path: vhost.movable for path, vhost in found.items()} == {
        "/etc/nginx/nginx.conf": False,
        "/etc/nginx/conf.d/stt.conf": True,
        "/etc/nginx/sites-enabled/whisper": True,
        "/etc/nginx/fixed.conf": False,
    }
    assert found["/etc/nginx/nginx.conf"].servers == (nginx_parser.Server(("in.main.org",), (8080,), (), ()),)
    assert found["/etc/nginx/conf.d/stt.conf"].servers == (nginx_parser.Server((), (8001,), (), ()),)
    assert found["/etc/nginx/sites-enabled/whisper"].servers == (
        nginx_parser.Server(("whisper.example.org",), (443,), (8890,), ("/etc/nginx/.htpasswd",)),
    )
    assert found["/etc/nginx/fixed.conf"].servers == (nginx_parser.Server((), (80,), (8001,), ()),)


@given(st.lists(st.sampled_from([*"{};#\\\"'$ \n", "server", "include *;", "listen 99999999;", "é"])).map("".join))
def test_nothing_that_nginx_might_print_is_too_much(text: str) -> None:
    nginx_parser.parse(text)
    nginx_parser.vhosts(f"# configuration file /etc/nginx/nginx.conf:\nhttp {{ {text}\n")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_quoted_word_is_read_as_it_is_meant(word: str) -> None:
    quoted = word.replace("\\", "\\\\").replace('"', '\\"')
    assert [d.words for d in nginx_parser.parse(f'root "{quoted}";')] == [("root", word)]


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("0::/system.slice/stt-proxy.service\n", ("stt-proxy.service", "")),
        ("0::/system.slice/system-stt.slice/stt@1.service\n", ("stt@1.service", "")),
        (
            "12:pids:/system.slice/apache2.service\n1:name=systemd:/system.slice/apache2.service\n",
            ("apache2.service", ""),
        ),
        (f"0::/system.slice/docker-{ID}.scope\n", ("", ID)),
        (f"3:cpu:/docker/{ID}\n", ("", ID)),
        ("0::/user.slice/user-0.slice/session-3.scope\n", ("", "")),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/stt.service\n", ("", "")),
        ("0::/init.scope\n", ("", "")),
    ],
)
def test_whose_a_process_is(cgroup: str, expected: tuple[str, str]) -> None:
    assert owner(cgroup) == expected


SOCKETS = """\
LISTEN 0      5          127.0.0.1:8890      0.0.0.0:*    users:(("python3",pid=70,fd=3),("systemd",pid=1,fd=40))
LISTEN 0      4096         0.0.0.0:8001      0.0.0.0:*    users:(("docker-proxy",pid=71,fd=4))
LISTEN 0      511          0.0.0.0:443       0.0.0.0:*    users:(("nginx",pid=73,fd=6),("nginx",pid=72,fd=6))
LISTEN 0      511             [::]:80           [::]:*    users:(("nginx",pid=73,fd=7),("nginx",pid=72,fd=7))
LISTEN 0      4096   127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=74,fd=4))
LISTEN 0      128        127.0.0.1:9000      0.0.0.0:*
"""


def process(service: str = "", container: str = "", folder: str = "/") -> dict[str, str]:
    return {"service": service, "container": container, "folder": folder}


def unit(name: str, state: str = "enabled", sub: str = "running", path: str = "/etc/systemd/system") -> str:
    return f"Id={name}\nActiveState=active\nSubState={sub}\nUnitFileState={state}\nFragmentPath={path}/{name}\n"


def container(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "name": f"/{name}",
        "running": True,
        "ports": {"8000/tcp": [{"HostIp": "", "HostPort": "8001"}]},
        "restart": {"Name": "on-failure", "MaximumRetryCount": 3},
        "temporary": False,
        "labels": {"com.docker.compose.project.working_dir": "/opt/stt/whisper"},
        **more,
    }


ENTRY = {"name": "w", "composeDir": "/opt/stt/whisper", "proxyPort": 8001, "blocking": True, "containers": ["sleeper"]}
LOOK = {
    "sockets": SOCKETS,
    "processes": {
        "1": process(),
        "70": process("stt-proxy.service", folder="/opt/stt"),
        **dict.fromkeys(("71", "72", "73", "74"), process("nginx.service")),
    },
    "waiting": "/run/x.socket  x.socket x.service\n127.0.0.1:8890  stt-proxy.socket stt-proxy.service\n",
    "containers": [container("faster-whisper")],
    "units": "\n".join(
        [
            unit("nginx.service"),
            unit("stt-boot.service", sub="exited"),
            unit("stt-proxy.service"),
            unit("stt-proxy.socket"),
        ]
    ),
    "texts": {"stt-boot.service": "ExecStart=docker compose --project-directory /opt/stt/whisper up -d"},
    "links": {},
    "settings": {"/opt/stt/config.json": json.dumps({"services": {"old.example.org": ENTRY}})},
    "nginx": DUMP.partition("# configuration file /etc/nginx/fixed.conf")[0].replace(
        "include /etc/nginx/fixed.conf;", ""
    ),
    "refused": "",
    "files": {
        "/etc/nginx/conf.d/stt.conf": {"link": "", "digest": "d"},
        "/etc/nginx/sites-enabled/whisper": {"link": "", "digest": "e"},
    },
    "aside": ["/etc/nginx/conf.d/stt.conf.bak"],
}


@pytest.fixture
def vps(resolved: Callable[[str], Stack]) -> HostStack:
    return resolved("hosts:\n  vps: {domain: example.org}\nservices:\n  whisper: {kind: faster-whisper}\n").hosts[0]


def test_a_hand_made_host_is_understood(vps: HostStack) -> None:
    found = judge.judge(LOOK, vps)
    configs = [step for step in found.steps if isinstance(step, Config)]
    assert [(config.path, config.aside, config.listens) for config in configs] == [
        ("/etc/nginx/conf.d/stt.conf", "/etc/nginx/conf.d/stt.conf.bak2", True),
        ("/etc/nginx/sites-enabled/whisper", "/etc/nginx/before-greffier/whisper.bak", False),
    ]
    assert [step for step in found.steps if isinstance(step, Unit)] == [
        Unit("stt-proxy.socket", "(systemd) listens on 8890", "stt-proxy.socket", True, True),
        Unit("stt-boot.service", "belongs to /opt/stt/whisper", "stt-boot.service", True, False),
        Unit("stt-proxy.service", "(python3 in /opt/stt) listens on 8890", "stt-proxy.service", True, True),
    ]
    assert [step.label for step in detect.returning(found.steps)] == [
        "container faster-whisper",
        *("stt-proxy.socket", "stt-boot.service", "stt-proxy.service"),
        *("/etc/nginx/conf.d/stt.conf", "/etc/nginx/sites-enabled/whisper"),
    ]
    assert [step for step in found.steps if isinstance(step, Container)] == [
        Container(ID, "faster-whisper", "publishes 8001", True, "on-failure:3", "")
    ]
    assert found.passwords == ("/etc/nginx/.htpasswd",) and not found.by_hand
    assert found.notes == ("old.example.org is not in the inventory: nothing will answer it",)


def test_what_was_taken_over_and_what_greffier_made_itself_is_not_in_the_way(vps: HostStack) -> None:
    ours = {"com.docker.compose.project.working_dir": "/etc/greffier/services/whisper"}
    servers = "server { listen 443; server_name whisper.example.org; proxy_pass http://127.0.0.1:8890; }"
    look = LOOK | {
        "waiting": "127.0.0.1:8890 greffier-autostart.socket greffier-autostart.service\n",
        "processes": {"1": process(), "70": process("greffier-autostart.service")}
        | dict.fromkeys(("71", "72", "73"), process("nginx.service")),
        "containers": [
            container("greffier-whisper", labels=ours),
            container("faster-whisper", running=False, restart={"Name": "no"}),
        ],
        "units": "\n".join(
            [unit("greffier-autostart.service"), unit("stt-proxy.service", "disabled", "dead"), unit("nginx.service")]
        ),
        "nginx": "# configuration file /etc/nginx/nginx.conf:\nhttp { include conf.d/*.conf; }\n"
        f"# configuration file /etc/nginx/conf.d/greffier-service-whisper.conf:\n{servers}\n",
    }
    assert not judge.judge(look, vps) and not judge.judge(look, vps).notes


def changed(**more: Any) -> dict[str, Any]:
    look = copy.deepcopy(LOOK)
    nothing = {"sockets": "", "containers": [], "units": "", "settings": {}, "nginx": ""}
    return look | nothing | more


HANDS = [
    (
        changed(sockets=SOCKETS.splitlines()[0], waiting="", processes={"70": process(folder="/root")}),
        "python3 (process 70) in /root, which belongs to no systemd service and no container, listens on 8890",
    ),
    (
        changed(
            sockets=SOCKETS.splitlines()[0],
            processes={"70": process("run-1.service")},
            units=unit("run-1.service", "transient", path="/run/systemd/transient"),
        ),
        "python3 (process 70) in /, which run-1.service needs, listens on 8890",
    ),
    (
        changed(
            sockets='LISTEN 0 128 *:443 *:* users:(("sshd",pid=70,fd=3))',
            processes={"70": process("ssh.service")},
            units=unit("ssh.service"),
        ),
        "sshd (process 70) in /, which ssh.service needs, listens on 443",
    ),
    (changed(sockets=SOCKETS.splitlines()[1]), "docker-proxy (process 71) in /, which nginx.service"),
    (changed(containers=[container("brief", temporary=True)]), "container brief publishes 8001; Docker removes it"),
    (
        changed(containers=[container("stt", labels={"com.docker.compose.project": "greffier-whisper"})]),
        "container stt publishes 8001; its Compose project has the name of one of Greffier's",
    ),
    (changed(nginx=DUMP), "/etc/nginx/fixed.conf leads to 8001; nginx does not start without this file"),
    (
        changed(
            nginx=LOOK["nginx"].replace(
                "server_name _", "server_name whisper.example.org; } server { server_name blog.example.org"
            )
        ),
        "/etc/nginx/conf.d/stt.conf answers whisper.example.org and listens on 8001, and it also answers blog.example",
    ),
]


@pytest.mark.parametrize(("look", "sentence"), HANDS)
def test_what_could_not_be_brought_back_is_left_to_its_owner(
    vps: HostStack, look: dict[str, Any], sentence: str
) -> None:
    assert any(said.startswith(sentence) for said in judge.judge(look, vps).by_hand)


def test_names_addresses_and_networks_of_containers(vps: HostStack) -> None:
    elsewhere = {"8000/tcp": [{"HostIp": "10.0.0.5", "HostPort": "8001"}], "9/tcp": None}
    assert not judge.judge(changed(containers=[container("other", ports=elsewhere)]), vps)
    (step,) = judge.judge(changed(containers=[container("greffier-whisper", ports=None, running=False)]), vps).steps
    assert isinstance(step, Container) and step.aside == "greffier-whisper-before-greffier"
    line = SOCKETS.splitlines()[0].replace("127.0.0.1:8890", "*:443")
    look = changed(sockets=line, processes={"70": process(container=ID)}, containers=[container("web", ports={})])
    (step,) = judge.judge(look, vps).steps
    assert str(step) == "container web publishes 443" and step.taking.startswith("stopped, no longer started")


@pytest.mark.parametrize(
    ("at", "bound", "meets"),
    [
        ("10300", "", True),
        ("10300", "127.0.0.1", True),
        ("10300", "192.0.2.7", False),
        ("'192.0.2.7:10300'", "192.0.2.7", True),
        ("'192.0.2.7:10300'", "127.0.0.1", False),
        ("'0.0.0.0:10300'", "127.0.0.1", True),
    ],
)
def test_a_wyoming_server_of_before_is_in_the_way_where_the_address_is_the_same(
    resolved: Callable[[str], Stack], at: str, bound: str, meets: bool
) -> None:
    text = f"hosts:\n  vps: {{domain: example.org}}\nservices:\n  whisper: {{kind: faster-whisper, wyoming: {at}}}\n"
    published = {"10300/tcp": [{"HostIp": bound, "HostPort": "10300"}]}
    found = judge.judge(changed(containers=[container("wyoming", ports=published)]), resolved(text).hosts[0])
    assert [str(step) for step in found.steps] == ["container wyoming publishes 10300"] * meets


def test_another_web_server_is_stopped_only_with_a_word_about_its_other_sites(vps: HostStack) -> None:
    line = 'LISTEN 0 511 *:80 *:* users:(("apache2",pid=70,fd=4),("apache2",pid=71,fd=4))'
    look = changed(
        sockets=line,
        processes=dict.fromkeys(("70", "71"), process("apache2.service")),
        units=unit("apache2.service", path="/lib/systemd/system"),
    )
    found = judge.judge(look, vps)
    assert [f"{step}: {step.taking}" for step in found.steps] == [
        "apache2.service (apache2) listens on 80: stopped and disabled"
    ]
    assert found.notes == ("whatever else apache2.service serves will stop being served",)


@given(st.text(st.sampled_from('LISTEN 0128.:*[]%lo("python3",pid=7)\n')))
def test_a_line_of_sockets_may_be_anything(text: str) -> None:
    for address, listener in judge.listeners(text):
        assert "%" not in address and listener.port >= 0


def test_what_was_remembered_first_stays(target: Target) -> None:
    first, later = Unit("a.service", "", "a.service", True, True), Unit("a.service", "", "a.service", False, True)
    other = Container(ID, "c", "", True, "always", "")
    config = Config("/etc/nginx/conf.d/a.conf", "", "", "/etc/nginx/conf.d/a.conf.bak", "d", False)
    steps = detect.merged([first, config], [later, other])
    assert sorted(step.key for step in steps) == sorted({first.key, other.key, config.key}) and first in steps
    assert journal.read(target) == []
    journal.write(target, steps)
    assert journal.read(target) == steps
    assert target.states([journal.path(target.layout)])[journal.path(target.layout)].mode == 0o600
    target.write(
        journal.path(target.layout), b'{"steps": [{"kind": "x"}]}', 0o600, target.layout.root, target.layout.root_group
    )
    with pytest.raises(KitError, match="is damaged"):
        journal.read(target)
    journal.write(target, ())
    assert journal.read(target) == []
