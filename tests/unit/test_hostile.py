"""Whatever an operator writes is refused, or arrives as exactly that value: it never becomes syntax."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy import ROOT, render
from deploy.config.fields import LABEL
from deploy.config.stack import HostStack, Stack
from deploy.errors import InventoryError
from deploy.render import compose
from deploy.state import releases
from deploy.state.releases import Release
from deploy.transport.ssh import Ssh
from deploy.transport.targets import Target
from deploy.types import File, Reference, Secret, Tree

Resolved = Callable[[str], Stack]

SNIPPETS = [
    "'; rm -rf /; '", '"', "'", "\\", "\\\\", "\n}", "}", "{", ";", " ", "#", "$(id)", "`id`", "$host", "${HOME}",
    "$$", "{{ 7*7 }}", "{% raw %}", "{#", "%", "&", "<script>", "|", ">", "*", "~", "!x", "@", ":", ": ", "- ", ",",
    "\t", "\r\n", "\0", "\x7f", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "..", "/", "../", "a", "example.org",
    "https://", "1e3", "0o17", "0x1F", "yes", "null", "012", "1:30", "2030-01-01", "=", "<<", ".5", "1.5e5", "_", "-",
    "", "command:", "env:", "UTC",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=3), max_size=2).map("".join)
# (path of the key, what makes a value that starts well go on badly)
PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "domain": (("hosts", "v", "domain"), "example.net"),
    "address": (("hosts", "v", "address"), "host"),
    "timezone": (("hosts", "v", "timezone"), "Europe/Paris"),
    "origin": (("hosts", "v", "cors_origins", ""), "https://app.example.net"),
    "email": (("hosts", "v", "tls", "email"), "a@example.net"),
    "hostname": (("services", "w", "hostname"), "w.example.net"),
    "model": (("services", "w", "model"), "somebody/model"),
    "compute_type": (("services", "w", "compute_type"), "int8"),
    "image": (("services", "w", "image"), "r.example.net:5000/team/w:1"),
    "wyoming": (("services", "w", "wyoming"), "192.0.2.7:10300"),
    "diarization": (("services", "x", "diarization_model"), "somebody/diarization"),
    "folder": (("services", "x", "diarization_model"), "/srv/diarization"),
    "alignment": (("services", "x", "alignment", "fr"), "somebody/french"),
    "variable": (("services", "w", "environment", "A"), "value"),
    "secret": (("services", "w", "secrets", "B"), "env:B"),
    "portal": (("portal", "hostname"), "portal.example.net"),
}
VALUES = st.dictionaries(
    st.sampled_from(sorted(PLACES)), st.tuples(HOSTILE, st.sampled_from(["", "begin", "end"])), min_size=1, max_size=2
)


def written(values: dict[str, str]) -> dict[str, Any]:
    """An inventory with these values in their places."""
    data: dict[str, Any] = {"hosts": {"v": {"domain": "example.net"}}, "services": {"w": {"kind": "faster-whisper"}}}
    if any(PLACES[name][0][1] == "x" for name in values):
        data["services"]["x"] = {"kind": "whisperx"}
    for name, value in values.items():
        *path, last = PLACES[name][0]
        part = data
        for key in path[:-1]:
            part = part.setdefault(key, {})
        if last:
            part.setdefault(path[-1], {})[last] = value
        else:
            part[path[-1]] = [value]
    return data


def trees(host: HostStack) -> tuple[Tree, Tree]:
    """As rendered for Docker, and for this machine."""
    return render.tree(host), render.tree(replace(host, runtime="process"))


@cache
def harmless_trees(names: frozenset[str], resolved: Resolved) -> tuple[Tree, Tree]:
    """The trees of an inventory that has the same keys and nothing odd in them."""
    (host,) = resolved(yaml.safe_dump(written({name: PLACES[name][1] for name in names}))).hosts
    return trees(host)


TOKEN = re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]|[^\s{};]+', re.DOTALL)
SYNTAX = re.compile(r"[{};]")


def skeleton(text: str) -> list[str]:
    """The structure that nginx reads: directives, blocks, quoted strings; less what the values are."""
    tokens = [t for t in TOKEN.findall(text) if not t.startswith("#")]
    found, first = [], True
    for token in tokens:
        bare = not SYNTAX.fullmatch(token) and token[0] not in "\"'"
        found.append(token if first or SYNTAX.fullmatch(token) else "word" if bare else "string")
        first = bool(SYNTAX.fullmatch(token))
    return ["string" if token[0] in "\"'" else token for token in found]


def nginx(tree: Tree) -> dict[str, list[str]]:
    return {path: skeleton(file.text) for path, file in tree.items() if path.endswith(".conf")}


def words(tree: Tree, directive: str) -> set[str]:
    """Arguments of every such directive, as nginx reads them."""
    found: set[str] = set()
    for path, file in tree.items():
        if path.endswith(".conf"):
            lines = re.findall(rf"^ *{directive} ([^\n]*);$", file.text, re.MULTILINE)
            found |= {word for line in lines for word in TOKEN.findall(line)}
    return found


def patterns(tree: Tree, path: str) -> set[str]:
    """The exact texts that the regular expressions of a file's maps match."""
    quoted = (t[3:-2] for t in TOKEN.findall(tree[path].text) if t.startswith('"~^') and t.endswith('$"'))
    return {re.sub(r"\\(.)", r"\1", re.sub(r'\\(["\\])', r"\1", text)) for text in quoted}


@settings(max_examples=200)
@given(VALUES)
@example({"variable": ("$(id) ${HOME} $$", "")})
@example({"variable": ("\x85", "")})
@example({"hostname": ("w.example.net\n", ""), "origin": ("https://a.b$", "")})
@example({"domain": ("1.2", ""), "model": ("1e3", ""), "compute_type": ("yes", "")})
def test_a_value_is_refused_or_stays_a_value(resolved: Resolved, drawn: dict[str, tuple[str, str]]) -> None:
    values = {
        name: {"": text, "begin": text + PLACES[name][1], "end": PLACES[name][1] + text}[where]
        for name, (text, where) in drawn.items()
    }
    try:
        (host,) = resolved(yaml.safe_dump(written(values))).hosts
    except InventoryError as error:
        assert error.problems
        return
    service, *others = host.services
    docker, process = trees(host)
    # Everything rendered for Docker says exactly what was written.
    project = yaml.safe_load(docker["/etc/greffier/services/w/compose.yml"].text)
    assert project == compose.project(host, service)
    said = {key: value.replace("$$", "$") for key, value in project["services"]["w"]["environment"].items()}
    assert project["services"]["w"]["image"] == service.image == values.get("image", service.image)
    config = json.loads(process["/etc/greffier/autostart/config.json"].text)
    assert list(config["services"]) == [service.hostname, *(other.hostname for other in others)]
    for other in others:
        heard = yaml.safe_load(docker["/etc/greffier/services/x/compose.yml"].text)
        assert heard == compose.project(host, other)
        model = other.diarizer.model
        assert model == written(values)["services"]["x"].get("diarization_model", model)
        environment = config["services"][other.hostname]["process"]["environment"]
        assert environment["STT_DIARIZATION_MODEL"] == model
        inside = heard["services"]["x"]["environment"]["STT_DIARIZATION_MODEL"]
        assert inside == ("/diarizer" if model.startswith("/") else model)
        assert {v["source"] for v in heard["services"]["x"]["volumes"]} >= ({model} if model.startswith("/") else set())
        if "alignment" in values:
            assert environment["STT_ALIGN_MODELS"] == f"fr={values['alignment']}"
    for environment in (said, config["services"][service.hostname]["process"]["environment"]):
        assert environment["STT_MODEL"] == values.get("model", service.model)
        assert environment["STT_COMPUTE_TYPE"] == values.get("compute_type", "int8")
        assert environment["TZ"] == values.get("timezone", "UTC")
        assert environment.get("A") == values.get("variable")
    # nginx reads the same directives as for a harmless inventory.
    harmless = harmless_trees(frozenset(values), resolved)
    for tree, other in zip((docker, process), harmless, strict=True):
        assert nginx(tree) == nginx(other)
        assert list(tree) == list(other)
    for name in host.names:
        assert re.fullmatch(rf"{LABEL}(\.{LABEL})*", name)
    allowed = {f"{service.hostname} {origin}" for origin in host.cors_origins}
    for tree in (docker, process):
        assert words(tree, "server_name") - {"_", "greffier-auth"} == set(host.names)
        assert allowed <= patterns(tree, "/etc/nginx/conf.d/greffier-http.conf")
    assert Ssh(host.address, "root", 0).command(("true",))[-3:] == ("--", values.get("address", host.domain), "true")
    page = docker["/etc/greffier/portal/index.html"].text
    assert page.count("<") == harmless[0]["/etc/greffier/portal/index.html"].text.count("<")
    for tree in (docker, process):
        for file in tree.values():
            file.text.encode()


@given(st.sampled_from(["image", "health", "folder"]), HOSTILE)
@example("health", "/$host")
@example("folder", "/a/../..")
def test_what_is_said_of_a_container_is_refused_or_stays_a_value(resolved: Resolved, which: str, end: str) -> None:
    said = {"image": "r.example.net/w:1", "health": "/up", "folder": "/data"}
    said[which] += end
    service = {"kind": "container", "container_port": 80, "image": said["image"], "health": said["health"]}
    data = {
        "hosts": {"v": {"domain": "example.net"}},
        "services": {"w": {**service, "volumes": {"kept": said["folder"]}}},
    }
    try:
        (host,) = resolved(yaml.safe_dump(data)).hosts
    except InventoryError as error:
        assert error.problems
        return
    tree = render.tree(host)
    project = yaml.safe_load(tree["/etc/greffier/services/w/compose.yml"].text)
    assert project["services"]["w"]["image"] == said["image"]
    assert project["services"]["w"]["volumes"] == [{"type": "volume", "source": "kept", "target": said["folder"]}]
    (entry,) = json.loads(tree["/etc/greffier/autostart/config.json"].text)["services"].values()
    assert [entry["healthPath"], entry["readyPath"], *entry["quietPaths"]] == [said["health"]] * 3


@given(st.text(st.characters(min_codepoint=32, exclude_characters="'\\\x7f", exclude_categories=["Cs"]), min_size=1))
def test_a_secret_fills_its_line_of_the_env_file_and_no_more(value: str) -> None:
    file = File(("B='", Reference("env", "B"), "'\n"), 0o640, "root", "greffier")
    assert file.text == "B='<env:B>'\n"
    content = file.content({reference: Secret(value) for reference in file.references})
    assert content == f"B='{value}'\n"


def test_a_reader_of_yaml_1_2_reads_the_same_strings(resolved: Resolved) -> None:
    """Docker Compose reads YAML 1.2, where `1e3` and `0o17` are numbers; PyYAML writes 1.1."""
    numbers = ["1e10", "-0o7", "+1", "1_000", ".inf", "0b1", "1.", "on", "Null", "TRUE", "x y " * 1000, "é " * 1000]
    wanted = {f"V{number}": text for number, text in enumerate([*SNIPPETS, *numbers])}
    (host,) = resolved(yaml.safe_dump(written({}))).hosts
    host = replace(host, services=(replace(host.services[0], environment=tuple(wanted.items())),))
    document = render.tree(host)["/etc/greffier/services/w/compose.yml"].text
    script = """
import yaml from 'yaml'
let text = ''
for await (const part of process.stdin) text += part
console.log(JSON.stringify(yaml.parse(text, {version: '1.2', strict: true}).services.w.environment))
"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=document,
        capture_output=True,
        text=True,
        cwd=ROOT / "tests/npm",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert {name: read[name].replace("$$", "$") for name in wanted} == wanted


def test_a_kept_release_is_read_back_as_it_was(resolved: Resolved, target: Target) -> None:
    """What `rollback` writes is what was deployed then."""
    data = written({}) | {"services": {"w": {"kind": "faster-whisper", "secrets": {"B": "command:print '$(id)'"}}}}
    (host,) = resolved(yaml.safe_dump(data)).hosts
    odd = tuple((f"V{number}", text) for number, text in enumerate(SNIPPETS))
    host = replace(host, services=(replace(host.services[0], environment=odd),))
    kept = Release(7, render.tree(host), render.services(host), ("image",), (), (), {"nginx": "1"}, data)
    releases.save(target, kept, {"release": 7})
    assert target.answer(releases.load(target.layout, 7)) == kept
