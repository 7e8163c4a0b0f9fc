"""A deploy that may be: what a host has, what is wanted there, and the plan between."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deploy.config import model_names, secrets
from deploy.config.stack import HostStack, ServiceStack, Stack
from deploy.errors import KitError
from deploy.models import fetching, gated
from deploy.render import env
from deploy.render.manifest import Manifest
from deploy.rollout import survey
from deploy.rollout.survey import Docker, HostSurvey, TargetSurvey
from deploy.rollout.target_state import TargetState, TargetStateOf
from deploy.runtime import components, control, images
from deploy.state import plan, records, users
from deploy.state.plan import Have, Plan, Record, Survey, Wanted
from deploy.transport import asking
from deploy.transport.targets import Target
from deploy.types import Reference, Secret, Tree, digest
from deploy.workspace import Workspace


@dataclass(frozen=True)
class PlanInputs:
    """All that a plan is made from: another one of the same host needs no other look."""

    host: HostStack
    """With what its nginx is like; the slots of its services are as the inventory has them."""
    target_state_of: TargetStateOf
    host_survey: HostSurvey
    docker: Docker
    target_survey: TargetSurvey
    record: dict[str, Any]
    secrets: Mapping[Reference, Secret]
    withheld: Mapping[str, str]


@dataclass(frozen=True)
class PlannedRollout:
    """Everything an apply needs, looked at once."""

    host: HostStack
    target: Target
    tree: Tree
    secrets: Mapping[Reference, Secret]
    record: dict[str, Any]
    plan: Plan
    models: Mapping[str, fetching.Request]
    components: Mapping[str, components.Component]
    images: Mapping[str, ServiceStack]
    target_state: TargetState
    inputs: PlanInputs

    @property
    def withheld(self) -> Mapping[str, str]:
        """Models that the hub does not give, each with why and what to do. Those that the services need are among
        `models`."""
        return self.inputs.withheld

    @property
    def concerned(self) -> Manifest:
        """Those services that this deploy is about."""
        return {name: service for name, service in self.services.items() if self.target_state.about(name)}

    @property
    def sizes(self) -> dict[str, int]:
        """About how many bytes there are to fetch or to build, by what the plan's steps are about; of others nobody
        knows."""
        found = {}
        for name, request in self.models.items():
            files = request["files"] or {}
            known = sum(entry["size"] or 0 for entry in files.values())
            known = known or max(
                (model_names.size(s.own.models, name) for s in self.target_state.services if s.own), default=0
            )
            found[f"model {name}"] = known
        for image, service in self.images.items():
            if service.own and service.image_from != "registry":
                found[f"image {image}"] = service.own.disk
        return {what: size for what, size in found.items() if size}

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The record's entry of each wanted file, by path; of one that is not this deploy's matter, what was recorded
        of it."""
        kept = {path: entry for path, entry in self.record["files"].items() if not self.target_state.concerns(path)}
        tree = {path: file for path, file in self.tree.items() if self.target_state.concerns(path)}
        digests = records.digests(tree, self.secrets, self.record["salt"])
        return kept | {p: {"digest": value, "salted": bool(tree[p].references)} for p, value in digests.items()}

    @property
    def changed(self) -> frozenset[str]:
        """Services that shall run anew."""
        due = {effect.what for effect in self.plan.effects if effect.verb == "restart"}
        return frozenset(due & self.services.keys())

    @property
    def services(self) -> Manifest:
        """Every service of the tree: a former release may have others than the inventory."""
        return self.target_state.manifest


def plan_rollout(
    space: Workspace, host: HostStack, target_state_of: TargetStateOf, known: Mapping[Reference, Secret] | None = None
) -> PlannedRollout:
    """Survey a host and plan for a target state. `known` secrets are not resolved anew. Raises KitError."""
    target = space.target(host)
    host_survey = target.answer(survey.survey_host(host, target))
    record = records.of(host, host_survey.record)
    seen = host.seen(*host_survey.nginx, ipv6=bool(target.facts.get("ipv6", True)))
    target_state = target.answer(target_state_of(seen, record, control.in_second_slots(host, target, record)))
    resolved = _resolved(space, target_state, known or {})
    if isinstance(host_survey.docker, KitError):
        raise host_survey.docker
    target_survey, _ = target.answer(
        asking.together(
            survey.survey_target(target, target_state, record),
            survey.require(target_state.former, host_survey.docker)
            if target_state.back and target_state.former
            else asking.known(None),
        )
    )
    withheld = gated.withheld(target_state.models, target_survey.models, fetching.token(target_state.host, resolved))
    return _planned(
        target,
        target_state,
        PlanInputs(seen, target_state_of, host_survey, host_survey.docker, target_survey, record, resolved, withheld),
    )


def in_other_slots(space: Workspace, rollout: PlannedRollout, services: Collection[str]) -> PlannedRollout:
    """The same with these services in their other slots: nothing is looked at again. Raises KitError."""
    target, inputs = rollout.target, rollout.inputs
    there = control.in_second_slots(inputs.host, target, inputs.record)
    target_state = target.answer(inputs.target_state_of(inputs.host, inputs.record, there ^ set(services)))
    return _planned(target, target_state, replace(inputs, secrets=_resolved(space, target_state, inputs.secrets)))


def _resolved(
    space: Workspace, target_state: TargetState, known: Mapping[Reference, Secret]
) -> dict[Reference, Secret]:
    """The secrets of a target state. Raises KitError where one cannot be had, or not be written."""
    about = Stack((replace(target_state.host, services=target_state.services),))
    files = (file for path, file in target_state.tree.items() if target_state.concerns(path))
    references = {*about.references, *(reference for file in files for reference in file.references)}
    resolved = dict(known) | secrets.resolve(references - known.keys(), space.path.resolve().parent)
    env.check_writable(about, resolved)
    return resolved


def _planned(target: Target, target_state: TargetState, inputs: PlanInputs) -> PlannedRollout:
    host, record, target_survey = target_state.host, inputs.record, inputs.target_survey
    kept = {name: r for name, r in target_state.models.items() if not (name in inputs.withheld and r["spare"])}
    target_state = replace(target_state, models=kept)
    tree = {path: file for path, file in target_state.tree.items() if target_state.concerns(path)}
    wanted = Wanted(
        tree,
        {path: digest(file.content(inputs.secrets)) for path, file in tree.items()},
        records.digests(tree, inputs.secrets, record["salt"]),
        [(part.path, components.title(target, part)) for part in target_state.components.values()]
        + [(image, f"image {image}") for image in target_state.images],
        list(target_state.models),
        target_state.units,
        _containers(target_state),
    )
    units = {name: release for name, release in inputs.host_survey.units.items() if name in wanted.units}
    if (
        "autostart" in units
        and host.autostart.environment(host.layout.opt) in target_state.components.keys() - target_survey.components
    ):
        units["autostart"] = ""  # what it was started from is about to go
    matter = {path: entry for path, entry in record["files"].items() if target_state.concerns(path)}
    files = _files(target_survey, tree, {**record, "files": matter}, inputs.secrets)
    keys = files.pop(host.layout.htpasswd, None)
    have = Survey(
        files,
        target_survey.components | images.present(target_state.images, inputs.docker.images),
        target_survey.models,
        units,
        target_survey.certificate,
        # certbot's hook reloads nginx itself.
        host.tls.mode != "letsencrypt" and target_survey.served != record.get("certificate"),
        inputs.docker.containers,
        users.unread(keys.group, host.layout.www, host.layout) if keys else "",
    )
    # What an apply that was cut off was about to write owes its effects, whatever the file is now.
    before = {p: e["digest"] for p, e in matter.items()} | dict.fromkeys(record["pending"], "")
    made = plan.make(wanted, have, Record(before, record["kit"], record["release"]))
    return PlannedRollout(
        host,
        target,
        target_state.tree,
        inputs.secrets,
        record,
        made,
        target_state.models,
        target_state.components,
        target_state.images,
        target_state,
        inputs,
    )


def _containers(target_state: TargetState) -> dict[str, str]:
    """Container -> service, of those that a target state is about."""
    if target_state.host.runtime == "process":
        return {}
    about = [service for service in target_state.manifest.values() if target_state.about(service.name)]
    return {container: service.name for service in about for container in service.containers}


def _files(
    target_survey: TargetSurvey, tree: Tree, record: Mapping[str, Any], resolved: Mapping[Reference, Secret]
) -> dict[str, Have]:
    found = {}
    for path, state in target_survey.files.items():
        text, keys = state.text, tuple[str, ...]()
        # An .env that shall have no secret any more may still hold one.
        if path in tree and (tree[path].references or path.endswith("/.env")):
            text, keys = None, env.changed(text or "", tree[path].content(resolved))
        own = records.ours(path, state, record)
        found[path] = Have(state.digest, state.mode, state.owner, state.group, text, own, keys)
    return found
