"""What a look at a host means: what is in Greffier's way there, and what an adoption would do with each. Pure."""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.adoption import detect, nginx_parser
from deploy.adoption.detect import PUT_ASIDE, Config, Container, Found, Unit
from deploy.adoption.nginx_parser import Vhost
from deploy.config.stack import HostStack
from deploy.render import compose, units

NGINX = "nginx.service"
VITAL = re.compile(r"(docker|containerd|podman|sshd?|dbus|systemd-.*)\.(service|socket)")
"""A host is not to be left without these, whatever port they listen on."""


@dataclass(frozen=True)
class Listener:
    port: int
    program: str
    pid: str


def judge(look: Mapping[str, Any], host: HostStack) -> Found:
    """What a look (`deploy.host.neighbours`) found in the way of what this host shall run."""
    ours = _Ours(host)
    settings = list(_settings(look["settings"], host))
    named = {container for entry in settings for container in entry.containers}
    by_hand: list[str] = []
    configs, answered = _configs(look, ours, by_hand)
    served = {name for entry in settings for name in entry.names} | answered
    held = _held(look, ours, configs, by_hand)
    containers = list(_containers(look, ours, held, named, by_hand))
    folders = {folder for _, folder in containers} | {folder for entry in settings for folder in entry.folders}
    services = list(_services(look, held, {folder for folder in folders if folder.count("/") > 1}))
    steps = detect.ordered([*(config for config, _ in configs), *services, *(one for one, _ in containers)])
    left = sorted(served - ours.names) if steps else []
    notes = [f"{name} is not in the inventory: nothing will answer it" for name in left]
    web = [step.name for step in services if step.name in held and not ours.inner.issuperset(held[step.name].ports)]
    notes += [f"whatever else {name} serves will stop being served" for name in web]
    passwords = dict.fromkeys(path for _, vhost in configs for server in vhost.servers for path in server.passwords)
    return Found(tuple(steps), tuple(by_hand), tuple(notes), tuple(passwords))


class _Ours:
    """What Greffier needs of a host, and how what it made itself is known."""

    def __init__(self, host: HostStack) -> None:
        layout = host.layout
        self.nginx = {layout.http_port, layout.https_port, layout.auth_port}
        self.services = {port for s in host.services for port in (s.port, s.wyoming_port) if port}
        self.addresses = {s.wyoming[1]: s.wyoming[0] for s in host.services if s.wyoming}
        self.autostart = {layout.autostart_port, *self.addresses}
        self.inner = {layout.auth_port, *self.autostart, *self.services}
        self.ports = self.nginx | self.inner
        self.names = set(host.names)
        both = (*host.services, *host.seconded([service.name for service in host.services]).services)
        self.containers = {compose.container(service) for service in both}
        self._vhosts = f"{layout.nginx_conf}/greffier-"
        self._projects = f"{layout.etc}/"

    def vhost(self, path: str) -> bool:
        return path.startswith(self._vhosts)

    def container(self, labels: Mapping[str, str]) -> bool:
        return labels.get("com.docker.compose.project.working_dir", "").startswith(self._projects)

    def unit(self, name: str, port: int) -> bool:
        own = {NGINX: self.nginx, units.SERVICE: self.autostart, units.SOCKET: self.autostart}
        return port in own.get(name, ())

    def meets(self, address: str, port: int) -> bool:
        """Whether who listens there leaves no room for us: nginx takes every address, the others 127.0.0.1, or what
        the inventory says."""
        everywhere = ("", "*", "0.0.0.0", "[::]", "::")
        own = self.addresses.get(port, "127.0.0.1")
        return port in self.ports and (
            port not in self.inner or own in everywhere or address in (*everywhere, own, f"[{own}]", f"[::ffff:{own}]")
        )


@dataclass(frozen=True)
class _Settings:
    """config.json of another on-demand proxy."""

    names: tuple[str, ...]
    folders: tuple[str, ...]
    containers: tuple[str, ...]


def _settings(texts: Mapping[str, str], host: HostStack) -> Iterator[_Settings]:
    for path, text in texts.items():
        entries = {name: entry for name, entry in json.loads(text)["services"].items() if isinstance(entry, dict)}
        known = {name: entry for name, entry in entries.items() if entry.keys() & {"composeDir", "proxyPort"}}
        if not known or path.startswith(f"{host.layout.etc}/"):
            continue
        folders = [str(entry.get("composeDir", "")).rstrip("/") for entry in known.values()]
        lists = [entry.get("containers") for entry in known.values()]
        containers = [name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)]
        yield _Settings(tuple(known), (posixpath.dirname(path), *folders), tuple(containers))


def listeners(sockets: str) -> Iterator[tuple[str, Listener]]:
    """(address, who listens) of each line of `ss`, once per program."""
    for line in sockets.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            continue
        address, _, port = fields[3].rpartition(":")
        holders = re.findall(r'\("([^"]*)",pid=(\d+)', fields[5] if len(fields) > 5 else "") or [("a program", "")]
        for program, pid in dict(holders).items():
            if port.isascii() and port.isdigit():
                yield address.partition("%")[0], Listener(int(port), program, pid)


def _waiting(text: str) -> Iterator[tuple[int, str]]:
    """(port, unit) of each socket that systemd itself listens on, and starts a service for."""
    for match in re.finditer(r"^\s*\S*?([0-9]{1,5})\s+(\S+\.socket)\b", text, re.M):
        yield int(match[1]), match[2]


@dataclass
class _Holder:
    """Who holds ports of ours, and where it works."""

    program: str
    folder: str
    ports: list[int]


def _held(
    look: Mapping[str, Any], ours: _Ours, configs: Sequence[tuple[Config, Vhost]], by_hand: list[str]
) -> dict[str, _Holder]:
    """Services and containers (by id) that hold ports of ours."""
    known = _shown(look["units"])
    held: dict[str, _Holder] = {}
    waiting = dict(_waiting(look["waiting"]))
    leaving = {port for _, vhost in configs for server in vhost.servers for port in server.listens}
    published = {("docker-proxy", b["HostPort"]) for entry in look["containers"] for b in _bindings(entry)}
    for address, listener in listeners(look["sockets"]):
        process = look["processes"].get(listener.pid, {"service": "", "container": "", "folder": ""})
        service, container = process["service"] or waiting.get(listener.port, ""), process["container"]
        if not ours.meets(address, listener.port) or ours.unit(service, listener.port):
            continue
        if (listener.program, str(listener.port)) in published or (service == NGINX and listener.port in leaving):
            continue  # told of by the container, or by the file that says so
        lasting = service in known and "/transient/" not in known[service]["FragmentPath"]
        lasting = lasting and service != NGINX and not VITAL.fullmatch(service)
        if container or lasting:
            holder = held.setdefault(container or service, _Holder(listener.program, process["folder"], []))
            if listener.port not in holder.ports:
                holder.ports.append(listener.port)
            continue
        who = f"{listener.program} (process {listener.pid})" if listener.pid else listener.program
        where = f" in {process['folder']}" if process["folder"] else ""
        kept = f"which {service} needs" if service else "which belongs to no systemd service and no container"
        sentence = f"{who}{where}, {kept}, listens on {listener.port}"
        if sentence not in by_hand:
            by_hand.append(sentence)
    return held


def _configs(look: Mapping[str, Any], ours: _Ours, by_hand: list[str]) -> tuple[list[tuple[Config, Vhost]], set[str]]:
    """Files with servers that answer our names, lead to our ports or listen there; and every name they answer."""
    patterns = nginx_parser.includes(look["nginx"])
    found: list[tuple[Config, Vhost]] = []
    names: set[str] = set()
    taken = set(look["aside"])
    for vhost in nginx_parser.vhosts(look["nginx"]):
        concerned = [server for server in vhost.servers if _concerns(server, ours)]
        if ours.vhost(vhost.path) or not concerned:
            continue
        why = _why(concerned, ours)
        answered = {name for server in concerned for name in server.names}
        others = sorted({name for server in vhost.servers for name in server.names} - answered)
        if not vhost.movable:
            by_hand.append(f"{vhost.path} {why}; nginx does not start without this file: remove the server from it")
        elif others:
            by_hand.append(
                f"{vhost.path} {why}, and it also answers {', '.join(others)}: move those to a file of their own"
            )
        else:
            names |= answered
            state = look["files"][vhost.path]
            aside = "" if state["link"] else _aside(vhost.path, patterns, taken)
            taken.add(aside)
            listens = any(set(server.listens) & ours.inner for server in vhost.servers)
            found.append((Config(vhost.path, why, state["link"], aside, state["digest"], listens), vhost))
    return found, names


def _concerns(server: nginx_parser.Server, ours: _Ours) -> bool:
    return bool(set(server.names) & ours.names or {*server.upstreams, *server.listens} & ours.inner)


def _why(servers: Sequence[nginx_parser.Server], ours: _Ours) -> str:
    names = sorted({name for server in servers for name in server.names})
    ports = sorted({port for server in servers for port in server.upstreams} & ours.inner)
    listens = sorted({port for server in servers for port in server.listens} & ours.inner)
    said = [f"answers {', '.join(names)}"] if names else []
    said += [f"leads to {_list(ports)}"] if ports else []
    said += [f"listens on {_list(listens)}"] if listens else []
    return " and ".join(said)


def _list(ports: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(ports)))


def _aside(path: str, patterns: Sequence[str], taken: set[str]) -> str:
    """A name beside it that nobody has and nginx does not read; where nginx reads whatever is there, elsewhere."""
    read = any(posixpath.dirname(path) == posixpath.dirname(p) and p.endswith("*") for p in patterns)
    wanted = f"{PUT_ASIDE}/{posixpath.basename(path)}.bak" if read else f"{path}.bak"
    number = 2
    free = wanted
    while free in taken:
        free, number = f"{wanted}{number}", number + 1
    return free


def _containers(
    look: Mapping[str, Any], ours: _Ours, held: Mapping[str, _Holder], named: set[str], by_hand: list[str]
) -> Iterator[tuple[Container, str]]:
    """Containers in the way, each with the folder of its compose file."""
    names = {entry["name"].lstrip("/") for entry in look["containers"]}
    for entry in look["containers"]:
        labels, name = entry["labels"] or {}, entry["name"].lstrip("/")
        if ours.container(labels):
            continue
        published = {int(b["HostPort"]) for b in _bindings(entry) if ours.meets(b["HostIp"], int(b["HostPort"]))}
        published |= set(held[entry["id"]].ports) if entry["id"] in held else set()
        policy = entry["restart"] or {}
        count = policy.get("MaximumRetryCount", 0)
        restart = (policy.get("Name") or "no") + (f":{count}" if count else "")
        clash = name in ours.containers
        if not clash and not ((published or name in named) and (entry["running"] or restart != "no")):
            continue
        file = labels.get("com.docker.compose.project.config_files", "")
        said = [f"publishes {_list(sorted(published))}"] if published else []
        said += ["has a name that Greffier needs"] if clash else []
        why = (f"({file}) " if file else "") + (" and ".join(said) or "is woken by the proxy that is taken over")
        if entry["temporary"]:
            by_hand.append(f"container {name} {why}; Docker removes it when it stops (--rm), which cannot be undone")
            continue
        if labels.get("com.docker.compose.project", "") in ours.containers:
            by_hand.append(f"container {name} {why}; its Compose project has the name of one of Greffier's: rename it")
            continue
        aside = _renamed(name, names) if clash else ""
        folder = labels.get("com.docker.compose.project.working_dir", "").rstrip("/")
        yield Container(entry["id"], name, why, entry["running"], restart, aside), folder


def _bindings(entry: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Addresses and ports of the host that a container publishes."""
    found = [binding for each in (entry["ports"] or {}).values() for binding in each or ()]
    return [binding for binding in found if re.fullmatch("[0-9]+", binding["HostPort"])]


def _renamed(name: str, names: set[str]) -> str:
    wanted = f"{name}-before-greffier"
    return next(free for free in (wanted, *(f"{wanted}-{n}" for n in range(2, 1000))) if free not in names)


def _services(look: Mapping[str, Any], held: Mapping[str, _Holder], folders: set[str]) -> Iterator[Unit]:
    """Services that hold ports of ours, and those that would start what is in these folders again."""
    for name, shown in _shown(look["units"]).items():
        enabled = shown["UnitFileState"] in ("enabled", "enabled-runtime", "generated")
        running = shown["SubState"] in ("running", "start", "auto-restart", "listening")
        file = look["links"].get(name, name)
        if name in held:
            holder = held[name]
            where = f" in {holder.folder}" if holder.folder not in ("", "/") else ""
            why = f"({holder.program}{where}) listens on {_list(holder.ports)}"
            yield Unit(name, why, file, enabled, active=True)
        elif name not in (NGINX, units.SERVICE, units.SOCKET) and (enabled or running):
            text = look["texts"].get(name, "")
            mentioned = [folder for folder in folders if re.search(re.escape(folder) + r"(?![\w.-])", text)]
            if mentioned:
                yield Unit(name, f"belongs to {max(mentioned, key=len)}", file, enabled, running)


def _shown(text: str) -> dict[str, dict[str, str]]:
    """Properties of each unit that `systemctl show` told of."""
    found = {}
    for block in text.split("\n\n"):
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        if properties.get("Id"):
            found[properties["Id"]] = properties
    return found
