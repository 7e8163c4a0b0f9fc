"""Keys of a service that do not go together with its kind, its host or each other."""

from collections.abc import Callable, Iterable, Iterator

from deploy.config import suggestions
from deploy.config.catalog import Own
from deploy.config.inventory import Jobs, Notify, Service
from deploy.types import Layout, Runtime

KITS_OWN = frozenset({"PYTHONPATH", "TMPDIR"})
"""Variables that a runtime sets for the kit's kinds: the code's place, the spool."""
ZONE = "TZ"
"""Variable that carries the host's `timezone`, whatever the kind."""
OF_THE_KIT = ("model", "models", "compute_type", "diarizer", "diarization_model", "alignment", "jobs")
TOKENS = ("HF_TOKEN", "HUGGINGFACE_TOKEN")
"""Secrets that open gated models: what of the kit's takes one is the deploy, and no service."""
_CODES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it
ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so
sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
"""
LANGUAGES = frozenset(_CODES.split())
"""Codes of the languages that Whisper knows."""
OF_A_CONTAINER = ("container_port", "health", "volumes")
REQUIRED = (("image", "ghcr.io/owner/name:1.2"), ("container_port", "8080"))
"""What a container has no default for, with an example."""

Misfit = tuple[tuple[str, ...], str, str]
"""Where below the service, what is wrong, and a hint or nothing."""


def of(service: Service, own: Own | None, runtime: Runtime, written: Callable[..., bool]) -> Iterator[Misfit]:
    """What is wrong with a service of a kind of the kit's (`own`) or with a container. `written`: whether the file has
    a key; one that is there and wrong in itself has been told of."""
    for key in OF_A_CONTAINER if own else OF_THE_KIT:
        if key in service.model_fields_set:
            whose = "belongs to kind container" if own else "does not apply to kind container"
            yield (key,), f"`{key}` {whose}", ""
    if own and service.compute_type and service.compute_type not in own.formats:
        hint = suggestions.named(service.compute_type, own.formats)
        yield ("compute_type",), f"{service.kind} does not compute in {service.compute_type}", hint
    if own:
        yield from _speakers(service, own, written)
    if own:
        yield from _jobs(service.jobs, lambda key: written("jobs", key))
    if service.wyoming and not (own and own.settings.wyoming_port):
        yield ("wyoming",), f"{service.kind} does not speak Wyoming", ""
    if runtime == "process":
        if not own:
            yield ("kind",), "a container needs Docker, and this host has `runtime: process`", ""
        elif service.image:
            yield ("image",), "nothing runs from an image with `runtime: process`", ""
    elif not own:
        for key, such in REQUIRED:
            if not getattr(service, key) and not written(key):
                yield (), f"a container needs `{key}`", f"such as {key}: {such}"
    folders: set[str] = set()
    for volume, folder in service.volumes.items():
        if folder in folders:
            yield ("volumes", volume), f"{folder} is the mount point of two volumes", ""
        folders.add(folder)
    yield from _variables(service, own)


def _speakers(service: Service, own: Own, written: Callable[..., bool]) -> Iterator[Misfit]:
    gated = own.models.diarization
    for key in ("diarizer", "diarization_model"):
        if key in service.model_fields_set and not gated:
            yield (key,), f"{service.kind} does not tell speakers apart", "kind whisperx does"
    if service.alignment and not own.models.alignment:
        yield ("alignment",), f"{service.kind} does not use alignment models", "kind whisperx does"
    if service.diarization_model and service.diarizer == "open":
        yield ("diarization_model",), "`diarization_model` belongs to diarizer pyannote or auto, not open", ""
    for language, model in service.alignment.items():
        if language not in LANGUAGES:
            yield ("alignment", language), f"no model transcribes a language {language!r}", "such as fr"
        if "/" not in model:
            yield ("alignment", language), f"there is no model {model!r}", "write its name on the hub, owner/name"
    if gated and service.diarization_model and "/" not in service.diarization_model:
        known = (gated.default, *gated.parts)
        close = [name for name in known if name.endswith(f"/{service.diarization_model}")]
        hint = f"did you mean {close[0]}?" if close else f"such as {gated.default}"
        yield ("diarization_model",), f"there is no model {service.diarization_model!r}", hint
    token = any(token in service.secrets or written("secrets", token) for token in TOKENS)
    if gated and service.diarizer == "pyannote" and not token and (service.secrets or not written("secrets")):
        model = service.diarization_model or gated.default
        if not model.startswith("/"):
            hint = f"accept the terms of {model} at https://huggingface.co/{model}, and give the service the secret "
            hint += "HF_TOKEN: secrets: {HF_TOKEN: 'env:HF_TOKEN'}; or use diarizer: open"
            yield ("diarizer",), "diarizer pyannote needs a token for the hub", hint


def telling(told: Notify, written: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """What is wrong with whom to tell: what, and a hint."""
    if not (told.webhook or told.mail or written("webhook") or written("mail")):
        yield "no recipient is given", "webhook: env:WEBHOOK, or mail and server"
    if told.mail and not told.server and not written("server"):
        yield "`mail` needs `server`", "such as server: smtp.example.org:587"
    if told.server and not told.mail and not written("mail"):
        yield "`server` needs `mail`, the address to send to", "such as mail: ops@example.org"
    for one, other in (("user", "password"), ("password", "user")):
        if getattr(told, one) and not getattr(told, other) and not written(other):
            yield f"`{one}` needs `{other}`", "such as user: greffier, password: 'env:SMTP_PASSWORD'"


def _jobs(jobs: Jobs, written: Callable[[str], bool]) -> Iterator[Misfit]:
    given = jobs.model_fields_set - {"enabled"}
    if not jobs.enabled and given:
        yield ("jobs", "enabled"), f"`{min(given)}` has no effect where jobs are not enabled", "leave one of them out"
    for key in ("address", "key", "queue"):
        if getattr(jobs, key) and not jobs.database and not written("database"):
            hint = "without it, no other host shares the queue"
            yield ("jobs", key), f"`{key}` needs `database`", hint
    if jobs.database and not jobs.key and not written("key"):
        hint = "such as key: 'env:JOBS_KEY', the same for all that share the database"
        yield ("jobs",), "`database` needs `key`, by which the hosts ask each other for recordings", hint


def held(layout: Layout) -> dict[int, str]:
    """Ports that no service can have, and whose they are."""
    return {
        layout.http_port: "nginx",
        layout.https_port: "nginx",
        layout.autostart_port: "autostart",
        layout.auth_port: "the password check",
    }


def ports(layout: Layout, wanted: Iterable[tuple[str, str, int]]) -> Iterator[tuple[str, str, str, str]]:
    """What is wrong with the ports that services want: (service, key, what, hint). `wanted`: (service, key, port)."""
    taken = held(layout)
    for name, key, port in wanted:
        if port > 65535:
            yield name, "port", f"`{key}` needs a port above this one, and {port} is too high", "take a lower one"
        if port in taken:
            yield name, key, f"port {port} is already used by {taken[port]}", f"give one of them another `{key}`"
        taken[port] = name


def _variables(service: Service, own: Own | None) -> Iterator[Misfit]:
    settings = {ZONE, *(KITS_OWN if own else ()), *(own.settings.model_dump().values() if own else ())}
    for variable in service.environment:
        if variable in settings:
            hint = "use the service's or the host's own key for it"
            yield ("environment", variable), f"{variable} is set by Greffier", hint
        elif own and variable in TOKENS:
            hint = f"secrets: {{{variable}: 'env:{variable}'}}"
            yield ("environment", variable), f"{variable} is for the deploy only; services do not get it", hint
    for variable in service.secrets:
        if variable in service.environment or variable in settings:
            yield ("secrets", variable), f"{variable} is set twice", ""
