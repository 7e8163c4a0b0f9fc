"""One service deployed alone: nothing else changes, and in the end it is all the same."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy import render
from deploy.config.stack import HostStack, Stack
from deploy.render.manifest import exchanged, of_files
from deploy.rollout import target_state
from deploy.state import plan
from deploy.state.plan import Have, Plan, Record, Survey, Wanted
from deploy.types import Tree, digest

Resolved = Callable[[str], Stack]
Document = Mapping[str, Any]

NAMES = ("a", "b-c", "board")
SERVICES: dict[str, dict[str, Any]] = {
    "a": {"kind": "faster-whisper", "model": "Systran/faster-whisper-base"},
    "b-c": {"kind": "faster-whisper", "port": 8101, "secrets": {"TOKEN": "env:TOKEN"}},
    "board": {"kind": "container", "image": "team/board:1", "container_port": 80},
}
CHANGES: list[dict[str, Any]] = [
    {}, {"idle": "5m"}, {"hostname": "other-%s.net"}, {"environment": {"X": "%s"}}, {"memory": "3G"},
    {"upload_limit": "7M"}, {"secrets": {"KEY": "env:KEY"}}, {"image": "r.net/%s:2"}, {"enabled": False},
]  # fmt: skip
HOSTS: list[dict[str, Any]] = [{}, {"cors_origins": ["https://app.net"]}, {"timezone": "Europe/Paris"}]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """An inventory of one host; the same services are never changed so that they cannot be together."""
    services = {}
    for name in draw(st.permutations(NAMES)):
        if draw(st.booleans()):
            more = draw(st.sampled_from(CHANGES))
            filled = yaml.safe_load(yaml.safe_dump(more).replace("%s", name))
            services[name] = {**SERVICES[name], **filled}
    return {"hosts": {"v": {"domain": "v.net", **draw(st.sampled_from(HOSTS))}}, "services": services}


@dataclass(frozen=True)
class World:
    """A host: its files, what is recorded of them, and the last release with the inventory that it was made from."""

    files: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, str] = field(default_factory=dict)
    tree: Tree = field(default_factory=dict)
    inventory: Document = field(default_factory=dict)

    def planned(self, tree: Tree, scope: frozenset[str] | None = None) -> Plan:
        wanted = {path: file for path, file in tree.items() if scope is None or path in scope}
        digests = {path: digest(file.text) for path, file in wanted.items()}
        have = {
            path: Have(digest(text), file.mode, file.owner, file.group, text)
            for path, text in self.files.items()
            for file in [tree.get(path) or self.tree[path]]
        }
        record = {path: value for path, value in self.recorded.items() if scope is None or path in scope}
        survey = Survey(have, frozenset(), frozenset(), {}, "", False, {})
        return plan.make(Wanted(wanted, digests, digests, [], [], {}, {}), survey, Record(record, "", 1))

    def applied(self, tree: Tree, document: Document, scope: frozenset[str] | None = None) -> "World":
        made = self.planned(tree, scope)
        files = {path: text for path, text in self.files.items() if path not in made.remove}
        kept = {path: value for path, value in self.recorded.items() if scope is not None and path not in scope}
        done = {path: digest(file.text) for path, file in tree.items() if scope is None or path in scope}
        return World(files | {path: tree[path].text for path in made.write}, kept | done, tree, document)


def entries(tree: Tree) -> dict[str, Any]:
    """What autostart is told of each service."""
    if not tree:
        return {}
    found = json.loads(tree["/etc/greffier/autostart/config.json"].text)["services"]
    return {entry["name"]: {"hostname": name, **entry} for name, entry in found.items()}


def host(resolved: Resolved, document: Document) -> HostStack:
    return resolved(yaml.safe_dump(dict(document), sort_keys=False)).hosts[0]


def older(host: HostStack) -> HostStack:
    """As a Greffier deployed it whose images were others."""
    return replace(host, services=tuple(replace(s, image=s.image + "old") for s in host.services))


def alone(resolved: Resolved, world: World, now: Document, service: str) -> World:
    document = target_state.mixed(world.inventory or {**now, "services": {}}, now, service)
    there = host(resolved, document)
    former = of_files(world.tree) if world.tree else {}
    mixed = exchanged(former, render.services(there), service)
    share = plan.alone(render.tree(there), world.tree, mixed, there, service)
    return world.applied(share.tree, document, share.scope)


@settings(max_examples=40)
@given(documents(), documents(), st.permutations(NAMES), st.booleans(), st.data())
def test_each_alone_and_then_the_rest_is_the_same_as_all_at_once(
    resolved: Resolved, before: Document, now: Document, order: list[str], first: bool, data: st.DataObject
) -> None:
    start = World() if first else World().applied(render.tree(older(host(resolved, before))), before)
    whole = host(resolved, now)
    at_once = start.applied(render.tree(whole), now)
    world = start
    if world.files:  # what somebody changed by hand
        path = data.draw(st.sampled_from(sorted(world.files)))
        world = replace(world, files={**world.files, path: world.files[path] + "# mine\n"})
    for service in [s for s in order if s in now["services"] and now["services"][s].get("enabled", True)]:
        last, world = world, alone(resolved, world, now, service)
        for path in {*last.files, *world.files}:
            if render.owner(whole, path) not in ("", service):
                assert last.files.get(path) == world.files.get(path), path
        others = [{k: e for k, e in entries(w.tree).items() if k != service} for w in (last, world)]
        assert others[0] == others[1]
        # What is not done yet is still to be done, and nothing of this service is.
        left = world.planned(render.tree(whole))
        if before["hosts"] == now["hosts"] or first:
            assert not [path for path in (*left.write, *left.remove) if render.owner(whole, path) == service]
    world = world.applied(render.tree(whole), now)
    assert world.files == at_once.files and world.recorded == at_once.recorded
    assert world.planned(render.tree(whole)).empty


def test_an_inventory_of_one_host_means_what_the_whole_one_does_for_it(resolved: Resolved) -> None:
    text = """\
hosts: {x: {domain: x.net}, y: {domain: y.net, cors_origins: ["https://app.net"]}}
services:
  one: {kind: faster-whisper, host: x}
  two: {kind: faster-whisper, host: y, idle: 1h, secrets: {HF_TOKEN: "env:T"}}
portal: {hostname: portal.net}
"""
    for wanted in resolved(text).hosts:
        (got,) = resolved(yaml.safe_dump(target_state.part(yaml.safe_load(text), wanted.name), sort_keys=False)).hosts
        assert got == wanted
