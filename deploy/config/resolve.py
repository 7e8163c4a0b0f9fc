"""Inventory x Catalog -> Stack: every default is filled in here, once."""

import difflib
import zoneinfo
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from deploy.config import image_digest, jobs, model_names, rules, side_models, suggestions
from deploy.config.catalog import Autostart, Catalog, Kind, Manifest, Own
from deploy.config.inventory import Host, Inventory, Service
from deploy.config.quantities import show_bytes, show_size
from deploy.config.rules import TOKENS
from deploy.config.source import Key, Source
from deploy.config.stack import (
    SECOND,
    TORCH_INDEX,
    WYOMING,
    HostStack,
    NotifyStack,
    Paths,
    ServiceStack,
    Stack,
    TlsStack,
    Torch,
)
from deploy.config.validation import written
from deploy.errors import InventoryError, Problem
from deploy.types import Layout, Reference

STEP = 10
"""From the port of one service of a kind to that of the next: kinds have ports of their own beside each other."""
UNKNOWN = "missing.invalid"
"""Stands for a domain that is not there, so that the rest can be checked as well."""
RESERVED_NAMES = frozenset(
    {"v1", "api", "asr", "assets", "detect-language", "docs", "favicon", "greffier", "health", "jobs", "login"}
    | {"logout", "metrics", "openapi", "portal", "ready", "realtime", "redoc", "static", "status", "transcribe", "ws"}
)
"""A service's name is a path of the portal: these are the portal's own or the first segment of an API path."""


def stack(
    inventory: Inventory,
    source: Source,
    catalog: Catalog,
    layouts: Mapping[str, Layout],
    autostart: Autostart,
    problems: Sequence[Problem] = (),
) -> Stack:
    """Fill in every default. `layouts` has one per host. Raises InventoryError with all that is wrong,
    `problems` that were found before included."""
    found, wrong = looked_at(inventory, source, catalog, layouts, autostart, problems)
    if wrong:
        raise InventoryError(wrong)
    return found


def looked_at(
    inventory: Inventory,
    source: Source,
    catalog: Catalog,
    layouts: Mapping[str, Layout],
    autostart: Autostart,
    problems: Sequence[Problem] = (),
) -> tuple[Stack, tuple[Problem, ...]]:
    """What is right of it, enough to look at the hosts; and all that is wrong. Hosts whose place is not known are
    left out."""
    resolver = _Resolver(inventory, source, catalog, layouts, autostart, told=bool(problems))
    found = resolver.stack()
    placed = tuple(host for host in found.hosts if host.address != UNKNOWN)
    return Stack(placed), (*problems, *resolver.problems)


def _memory(manifest: Manifest, models: Sequence[str]) -> int:
    """What a service needs with the largest of its models: of several, it keeps what it has room for."""
    if not isinstance(manifest, Own):
        return manifest.memory
    return max(model_names.memory(manifest.models, model) or manifest.memory for model in models)


def service_ports(services: Sequence[tuple[str, Service]], catalog: Catalog, held: Collection[int]) -> dict[str, int]:
    """A port for each service of a host: the one that is written, else its kind's own or, where another service has
    that, the next that is free. `held`: those that no service can have."""
    ports = {name: service.port for name, service in services if service.port}
    taken = {*held, *ports.values()}
    for name, service in services:
        if name not in ports:
            port = catalog[service.kind].manifest.port
            while port in taken:
                port += STEP
            ports[name] = port
            taken.add(port)
    return ports


def enabled(service: Service, kind: Kind) -> bool:
    """Whether it runs at all."""
    return not kind.manifest.optional if service.enabled is None else service.enabled


def _second_port(host: HostStack, service: ServiceStack, taken: Collection[int]) -> int:
    """None for a process, whose ports are chosen on this machine, nor on a GPU, whose free memory nobody knows, nor
    where both would write the same data."""
    ports = [port + SECOND for port in (service.port, service.wyoming_port) if port]
    alone = host.runtime == "compose" and service.device == "cpu" and not service.volumes
    return ports[0] if alone and max(ports) <= 65535 and not set(ports) & set(taken) else 0


def _is_zone(name: str) -> bool:
    """Whether the zone is known; where this machine has no list of them, any name passes."""
    known = zoneinfo.available_timezones()
    return not known or name in known


def reference(text: str, place: str) -> Reference:
    """`env:NAME` as a value; the inventory has checked its form."""
    scheme, _, argument = text.partition(":")
    assert scheme in ("env", "file", "command")
    return Reference(scheme, argument, place)  # type: ignore[arg-type]


class _Resolver:
    def __init__(
        self,
        inventory: Inventory,
        source: Source,
        catalog: Catalog,
        layouts: Mapping[str, Layout],
        autostart: Autostart,
        *,
        told: bool,
    ) -> None:
        self.told = told
        self.inventory = inventory
        self.source = source
        self.catalog = catalog
        self.layouts = layouts
        self.autostart = autostart
        self.problems: list[Problem] = []

    def _written(self, *keys: Key) -> bool:
        """Whether something stands there that is wrong in itself, which has been told: it is not missing as well.
        Where nothing has been told, nothing is excused."""
        return self.told and written(self.source, keys)

    def _wrong(self, keys: tuple[Key, ...], message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.source.place(keys), message, hint))

    def stack(self) -> Stack:
        placed: dict[str, list[tuple[str, Service]]] = {name: [] for name in self.inventory.hosts}
        for name, service in self.inventory.services.items():
            host = self._host_of(name, service)
            if self._kind_of(name, service) and host and enabled(service, self.catalog[service.kind]):
                placed[host].append((name, service))
        self.notify = self._notify()
        hosts = tuple(self._host(n, h, placed[n]) for n, h in self.inventory.hosts.items())
        self._hostnames(hosts)
        return Stack(hosts)

    def _host_of(self, name: str, service: Service) -> str:
        hosts = list(self.inventory.hosts)
        if service.host is None and len(hosts) > 1:
            if self._written("services", name, "host"):
                return ""
            self._wrong(("services", name), f"services.{name}: name its host", f"host: {' or '.join(hosts)}")
            return ""
        host = service.host or hosts[0]
        if host not in self.inventory.hosts:
            if not self._written("hosts", host):
                self._wrong(
                    ("services", name, "host"),
                    f"services.{name}: there is no host {host!r}",
                    suggestions.named(host, hosts),
                )
            return ""
        return host

    def _kind_of(self, name: str, service: Service) -> bool:
        if name in RESERVED_NAMES:
            self._wrong(
                ("services", name),
                f"a service cannot be called {name!r}: that is a path of the portal or the API",
                "choose another name, and set `hostname` to keep its address",
            )
        if service.kind not in self.catalog:
            hint = suggestions.named(service.kind, list(self.catalog))
            self._wrong(("services", name, "kind"), f"services.{name}: there is no kind {service.kind!r}", hint)
            return False
        return True

    def _host(self, name: str, host: Host, services: list[tuple[str, Service]]) -> HostStack:
        domain = host.domain or ("localhost" if host.runtime == "process" else "")
        if not domain:
            if not self._written("hosts", name, "domain"):
                self._wrong(("hosts", name), f"hosts.{name}: domain is missing", "such as domain: example.org")
            domain = UNKNOWN
        if not _is_zone(host.timezone):
            zones = difflib.get_close_matches(host.timezone, zoneinfo.available_timezones(), 1, 0.6)
            hint = f"did you mean {zones[0]}?" if zones else "such as Europe/Paris"
            self._wrong(("hosts", name, "timezone"), f"hosts.{name}: there is no time zone {host.timezone!r}", hint)
        if host.runtime == "process" and "build" in host.model_fields_set:
            self._wrong(("hosts", name, "build"), f"hosts.{name}: no image is built with `runtime: process`")
        first = next(iter(self.inventory.hosts)) == name
        portal = ""
        if self.inventory.portal.enabled and first:
            default = "localhost" if domain == "localhost" else f"portal.{domain}"
            portal = self.inventory.portal.hostname or default
        ports = service_ports(services, self.catalog, rules.held(self.layouts[name]))
        stack = HostStack(
            name=name,
            address=host.address or domain,
            user=host.user or "",
            ssh_port=host.port or 0,
            domain=domain,
            runtime=host.runtime,
            tls=self._tls(name, host),
            cors_origins=tuple(dict.fromkeys(host.cors_origins)),
            request_rate=host.request_rate,
            portal=portal,
            services=tuple(self._service(n, s, name, host, domain, portal, ports[n]) for n, s in services),
            layout=self.layouts[name],
            autostart=self.autostart,
            notify=self.notify if host.runtime == "compose" else None,
        )
        return replace(stack, services=self._ports(stack))

    def _notify(self) -> NotifyStack | None:
        told = self.inventory.notify
        if told is None:
            return None
        at: tuple[Key, ...] = ("notify",)
        for message, hint in rules.telling(told, lambda key: self._written("notify", key)):
            self._wrong(at, f"notify: {message}", hint)
        if all(host.runtime == "process" for host in self.inventory.hosts.values()):
            self._wrong(at, "notify: only hosts reached over SSH send notifications", "leave it out")
        server, _, port = (told.server or "").partition(":")

        def meant(key: str, text: str | None) -> Reference | None:
            is_reference = text is not None and text.startswith(("env:", "file:", "command:"))
            return reference(text, self.source.place((*at, key))) if text and is_reference else None

        return NotifyStack(
            meant("webhook", told.webhook) or told.webhook or "",
            told.mail or "",
            told.sender or told.mail or "",
            server,
            int(port or 587),
            told.user or "",
            meant("password", told.password),
        )

    def _tls(self, name: str, host: Host) -> TlsStack:
        tls = host.tls
        at = ("hosts", name, "tls")
        mode = tls.mode
        if host.runtime == "process" and mode == "letsencrypt":
            if "mode" in tls.model_fields_set:
                self._wrong(
                    (*at, "mode"),
                    f"hosts.{name}: Let's Encrypt cannot reach a host with `runtime: process`",
                    "mode: internal",
                )
            mode = "internal"
        lacking = [key for key in ("certificate", "key") if not getattr(tls, key) and not self._written(*at, key)]
        if mode == "files" and lacking:
            self._wrong(at, f"hosts.{name}: tls mode files needs `certificate` and `key`")
        if mode != "files" and (tls.certificate or tls.key):
            self._wrong(at, f"hosts.{name}: `certificate` and `key` belong to tls mode files, not {mode}")
        key = reference(tls.key, self.source.place((*at, "key"))) if tls.key else None
        certificate = self._beside(tls.certificate) if tls.certificate else ""
        return TlsStack(mode, tls.email or "", tls.server or "", tls.staging, tls.profile or "", certificate, key)

    def _beside(self, path: str) -> str:
        """A path of the inventory: relative to its folder, as those of secrets are."""
        return path if path.startswith("~") else str(PurePath(self.source.path).parent / path)

    def _service(
        self, name: str, service: Service, host_name: str, host: Host, domain: str, portal: str, port: int
    ) -> ServiceStack:
        kind = self.catalog[service.kind]
        manifest = kind.manifest
        own = manifest if isinstance(manifest, Own) else None
        at: tuple[Key, ...] = ("services", name)
        model = self._model((*at, "model"), own, service.model) if own else ""
        more = [self._model((*at, "models", n), own, m) for n, m in enumerate(service.models)] if own else []
        others = tuple(dict.fromkeys(other for other in more if other != model))
        self._room(at, service, own, (model, *others))
        if own and service.device not in own.compute_types:
            self._wrong((*at, "device"), f"services.{name}: {service.kind} does not run on {service.device}")
        for below, message, hint in rules.of(service, own, host.runtime, lambda *keys: self._written(*at, *keys)):
            self._wrong((*at, *below), f"services.{name}: {message}", hint)
        health = service.health or manifest.health
        moved = dict(self.layouts[host_name].service_ports)
        port = service.port or moved.get(name, port)
        torch = Torch(own.torch, TORCH_INDEX[service.device], service.device == "cpu") if own and own.torch else None
        installed = (torch.version, torch.index) if torch else ()
        secrets = [
            (v, reference(t, self.source.place((*at, "secrets", v)))) for v, t in sorted(service.secrets.items())
        ]
        secrets += [
            (variable, reference(text, self.source.place((*at, "jobs", key))))
            for variable, key, text in (jobs.secrets(service, own) if own else ())
        ]
        hostname = service.hostname or f"{name}.{domain}"
        address, _, listen = (service.wyoming or "").rpartition(":")
        return ServiceStack(
            name=name,
            kind=kind,
            hostname=hostname,
            port=port,
            container_port=service.container_port or manifest.port,
            image=service.image or f"greffier/{kind.name}:{image_digest.tag(kind.digest, *installed)}",
            image_from="registry" if service.image else host.build,
            paths=Paths(own.health, own.ready, tuple(own.quiet), own.probe)
            if own
            else Paths(health, health, (health,), health),
            volumes=tuple(sorted(service.volumes.items())),
            model=model,
            models=others,
            side_models=side_models.side_models(service, own),
            diarizer=side_models.diarizer(service, own),
            alignment=tuple(sorted(service.alignment.items())),
            torch=torch,
            device=service.device,
            compute_type=(service.compute_type or own.compute_types.get(service.device, "")) if own else "",
            upload_limit=service.upload_limit,
            read_timeout=service.read_timeout,
            idle=service.idle,
            start_timeout=service.start_timeout,
            drain_timeout=service.drain_timeout,
            stop_timeout=manifest.stop_timeout,
            memory=service.memory or _memory(manifest, (model, *others)),
            timezone=host.timezone,
            environment=tuple(sorted(service.environment.items())),
            secrets=tuple(one for one in secrets if not (own and one[0] in TOKENS)),
            tokens=tuple(one for one in secrets if own and one[0] in TOKENS),
            portal_path=f"/{name}" if own and portal else "",
            open_to=tuple(dict.fromkeys(service.open_to)),
            jobs=jobs.stack(name, service, self.layouts[host_name].origin(hostname)) if own else None,
            wyoming=(address.strip("[]"), int(listen)) if listen else None,
            wyoming_port=moved.get(f"{name}/wyoming", port + WYOMING) if listen else 0,
        )

    def _model(self, at: tuple[Key, ...], own: Own, name: str | None) -> str:
        """The model that a name means, as the hub has it."""
        if name is None:
            return own.models.default
        found = model_names.meant(own.models, name)
        if found is None:
            where = ".".join(map(str, at[:3]))
            self._wrong(at, f"{where}: there is no model {name!r}", model_names.advice(own.models, name))
        return found or own.models.default

    def _room(self, at: tuple[Key, ...], service: Service, own: Own | None, models: Sequence[str]) -> None:
        """A service that cannot hold one of its models would be killed at each start."""
        if not own or not service.memory:
            return
        size, model = max((model_names.size(own.models, model), model) for model in models)
        if service.memory < size:
            where, wrote = ".".join(map(str, at)), self._text((*at, "memory"))
            said = f"{where}: {wrote} of memory cannot hold {model}, which has {show_bytes(size)}"
            self._wrong((*at, "memory"), said, f"such as memory: {show_size(_memory(own, models))}")

    def _text(self, keys: tuple[Key, ...]) -> str:
        """What is written there."""
        there: Any = self.source.data
        for key in keys:
            there = there[key]
        return self.source.texts.get(keys) or str(there)

    def _ports(self, host: HostStack) -> tuple[ServiceStack, ...]:
        """The services with their second ports; a port that two want is a problem."""
        wanted = []
        for service in host.services:
            wanted.append((service.name, "port", service.port))
            if service.wyoming:
                wanted += [(service.name, "wyoming", port) for port in (service.wyoming_port, service.wyoming[1])]
        for name, key, message, hint in rules.ports(host.layout, wanted):
            self._wrong(("services", name, key), f"services.{name}: {message}", hint)
        taken = {*rules.held(host.layout), *(port for _, _, port in wanted)}
        return tuple(replace(service, second_port=_second_port(host, service, taken)) for service in host.services)

    def _hostnames(self, hosts: tuple[HostStack, ...]) -> None:
        taken: dict[str, str] = {}
        for host in hosts:
            if host.portal:
                taken[host.portal] = "the portal"
            for service in host.services:
                if service.hostname in taken:
                    keys = ("services", service.name, "hostname")
                    said = self._text(keys) if keys in self.source.places else service.hostname
                    self._wrong(
                        keys,
                        f"services.{service.name}: {said} is already used by {taken[service.hostname]}",
                        "give one of them another `hostname`",
                    )
                taken[service.hostname] = service.name
