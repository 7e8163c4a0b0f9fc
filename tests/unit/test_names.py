"""Names and values as people write them: each is taken for what it means, or answered with what to write."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy import ROOT, render
from deploy.config import catalog, model_names, quantities, rules, schema
from deploy.config.stack import ServiceStack, Stack
from deploy.render import compose
from deploy.runtime import images

Resolved = Callable[[str], Stack]
Told = Callable[[str], list[str]]
HOST = "hosts:\n  vps: {domain: court.fr}\n"
SERVICE = f"{HOST}services:\n  whisper:\n    kind: faster-whisper\n"
LARGE = "Systran/faster-whisper-large-v3"
TURBO = "mobiuslabsgmbh/faster-whisper-large-v3-turbo"


def service(resolved: Resolved, text: str) -> ServiceStack:
    return resolved(text).hosts[0].services[0]


@pytest.mark.parametrize(
    ("kind", "name", "model"),
    [
        ("faster-whisper", "base", "Systran/faster-whisper-base"),
        ("faster-whisper", "whisper-base", "Systran/faster-whisper-base"),
        ("faster-whisper", "large-v3-turbo", TURBO),
        ("faster-whisper", "turbo", TURBO),
        ("faster-whisper", "large", LARGE),
        ("faster-whisper", "openai/whisper-large-v3", LARGE),
        ("faster-whisper", "whisper-1", "Systran/faster-whisper-small"),
        ("faster-whisper", "gpt-4o-transcribe-2025-12-15", "Systran/faster-whisper-small"),
        ("faster-whisper", "guillaumekln/faster-whisper-base", "guillaumekln/faster-whisper-base"),
        ("faster-whisper", "somebody/else", "somebody/else"),
        ("whisperx", "large-v3", LARGE),
        ("pytorch, enabled: true", "large-v3", "openai/whisper-large-v3"),
        ("pytorch, enabled: true", LARGE, "openai/whisper-large-v3"),
        ("parakeet", "parakeet-tdt", "istupakov/parakeet-tdt-0.6b-v3-onnx"),
        ("parakeet", "canary-1b-v2", "istupakov/canary-1b-v2-onnx"),
        ("parakeet", "alphacep/vosk-model-ru", "alphacep/vosk-model-ru"),
        ("parakeet", "whisper-1", "istupakov/parakeet-tdt-0.6b-v3-onnx"),
    ],
)
def test_a_model_is_what_people_call_it(resolved: Resolved, kind: str, name: str, model: str) -> None:
    of = f"{HOST}services: {{w: {{kind: {kind}, %s}}}}\n"
    assert service(resolved, of % f"model: {name}").model == model
    assert model in service(resolved, of % f"models: [{name}]").all_models


def test_the_names_are_those_that_the_service_knows_itself(resolved: Resolved) -> None:
    for kind in catalog.load().values():
        models = getattr(kind.manifest, "models", None)
        for name, named in models.names.items() if models else ():
            assert model_names.meant(models, name) == named.model and named.size > 70e6, (kind.name, name)
            assert model_names.meant(models, named.model) == named.model, (kind.name, name)


def test_a_larger_model_gets_more_memory(resolved: Resolved) -> None:
    def memory(model: str) -> int:
        return service(resolved, f"{SERVICE}    model: {model}\n").memory >> 30

    assert (memory("base"), memory("small"), memory("turbo"), memory("large-v3"), memory(LARGE)) == (2, 4, 4, 6, 6)


SAYS = {
    "a model misspelt": ("    model: bse\n", "there is no model 'bse' (did you mean 'base'?)"),
    "one of several models": ("    models: [base, smal]\n", "there is no model 'smal' (did you mean 'small'?)"),
    "a model of nobody's": ("    model: nova-3\n", "any other by its hub name, owner/name)"),
    "a model that does not fit": (
        "    model: large-v3\n    memory: 100M\n",
        "100M of memory cannot hold Systran/faster-whisper-large-v3, which has 3.1 GB (such as memory: 6G)",
    ),
    "off": ("    idle: off\n", "idle: off is not a duration: write never"),
    "no": ("    idle: No\n", "idle: No is not a duration: write never"),
    "zero": ("    idle: 0\n", "idle: 0 is not a duration: write never"),
    "minutes": ("    idle: 15min\n", "'min' is not a unit of duration: write 15m"),
    "hours and minutes": ("    idle: 1h30m\n", "'1h30m' is not a duration: write 90m"),
    "half an hour": ("    start_timeout: 0.5 hours\n", "'0.5 hours' is not a duration: write 30m"),
    "GB": ("    memory: 4GB\n", "'GB' is not a unit of size: write 4G"),
    "one and a half": ("    memory: 1.5 GiB\n", "'1.5 GiB' is not a size: write 1536M"),
    "a number in quotes": ("    port: '8001'\n", "'8001' is not a whole number (write 8001, without quotes)"),
    "a word for truth": ("    enabled: 'no'\n", "'no' is not true or false (write false, without quotes)"),
    "truth for text": ("    environment: {A: yes}\n", "A: yes is not text (put it in quotes)"),
    "a number as it is written": ("    port: 0x1FFFF\n", "port: 0x1FFFF is too large: at most 65535"),
    "a path with backslashes": ("    hostname: 'C:\\b'\n", "'C:\\b' is not a host name such as"),
    "it's": ("    hostname: \"it's\"\n", "\"it's\" is not a host name such as"),
    "a gpu": ("    device: gpu\n", "(did you mean 'cuda'?)"),
    "a list of variables": ("    environment: [A=b]\n", "each has a name: write environment: {NAME: 'value'}"),
    "a mistyped host": ("    host: vsp\n", "there is no host 'vsp' (did you mean 'vps'? known: vps)"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), SAYS.values(), ids=SAYS)
def test_what_to_write_is_said(told: Told, text: str, sentence: str) -> None:
    (line,) = told(SERVICE + text)
    assert sentence in line, line


WHOLE = {
    "a model that no class of onnx-asr reads": (
        HOST + "services: {w: {kind: parakeet, model: openai/whisper-base}}\n",
        "there is no model 'openai/whisper-base' (the models are parakeet, parakeet-tdt, ",
    ),
    "a model misspelt, of few": (
        HOST + "services: {w: {kind: parakeet, model: parakeet-tdt-0.6b-v4}}\n", "(did you mean 'parakeet-tdt-0.6b-v",
    ),
    "a GPU that it does not use": (
        HOST + "services: {w: {kind: parakeet, device: cuda}}\n", "parakeet does not run on cuda",
    ),
    "everybody as a network": (
        HOST + "services: {w: {kind: parakeet, open_to: [0.0.0.0/0]}}\n",
        "'0.0.0.0/0' is everybody: list the networks that need no password",
    ),
    "a network with bits of a host": (
        HOST + "services: {w: {kind: parakeet, open_to: [10.1.2.3/8]}}\n", "write 10.0.0.0/8",
    ),
    "a network that is none": (
        HOST + "services: {w: {kind: parakeet, open_to: [office]}}\n", "'office' is not a network such as 10.0.0.0/8",
    ),
    "a number format of another kind's": (
        HOST + "services: {w: {kind: pytorch, enabled: true, compute_type: int8}}\n",
        "pytorch does not compute in int8",
    ),
    "no number format": (
        HOST + "services: {w: {kind: faster-whisper, compute_type: int4}}\n",
        "not compute in int4 (did you mean 'int8'",
    ),
    "a language that does not exist": (
        HOST + "services: {m: {kind: whisperx, alignment: {xx: a/b}}}\n", "no model transcribes a language 'xx'",
    ),
    "an address that is none": (
        "hosts: {v: {domain: a.fr, tls: {email: notmail}}}\n", "'notmail' is not an address such as ops@example.org",
    ),
    "no tls": ("hosts: {v: {domain: a.fr, tls: none}}\n", "(write tls: {mode: internal})"),
    "tls nearly in one word": ("hosts: {v: {domain: a.fr, tls: file}}\n", "(write tls: {mode: files})"),
    "a list for text": ("hosts: {v: {domain: [a, b]}}\n", "a list is not text"),
    "a kind with an underscore": (
        HOST + "services: {w: {kind: faster_whisper}}\n", "(did you mean 'faster-whisper'? known: ",
    ),
    "tls in one word": ("hosts: {v: {domain: a.fr, tls: internal}}\n", "(write tls: {mode: internal})"),
    "self-signed": ("hosts: {v: {domain: a.fr, tls: {mode: selfsigned}}}\n", "(did you mean 'internal'?)"),
    "hosts as a list": ("hosts: [{name: v}]\n", "each has a name: write hosts: {vps: {domain: example.org}}"),
    "a host in one word": ("hosts: {v: a.fr}\n", "(write v: {domain: a.fr})"),
    "services as a list": (HOST + "services: [{kind: x}]\n", "write services: {whisper: {kind: faster-whisper}}"),
    "a service in one word": (HOST + "services: {w: faster-whisper}\n", "(write w: {kind: faster-whisper})"),
    "a diarizer's short name": (
        HOST + "services: {m: {kind: whisperx, diarization_model: speaker-diarization-community-1}}\n",
        "(did you mean pyannote/speaker-diarization-community-1?)",
    ),
    "a short name that no hub has": (
        HOST + "services: {m: {kind: whisperx, alignment: {fr: wav2vec2}}}\n", "there is no model 'wav2vec2' (write it",
    ),
    "no portal": (HOST + "portal: false\n", "portal: false is not a mapping of keys to values (write portal: {enab"),
    "an origin alone": ("hosts: {v: {domain: a.fr, cors_origins: https://b.fr}}\n", "write cors_origins: ['https://b"),
    "every origin": ("hosts: {v: {domain: a.fr, cors_origins: ['*']}}\n", "'*' is every page of the web: list the"),
    "an origin of a file": ("hosts: {v: {domain: a.fr, cors_origins: ['null']}}\n", "from a file or a sandbox"),
    "a slash too many": ("hosts: {v: {domain: a.fr, cors_origins: ['https://b.fr/']}}\n", "write https://b.fr"),
    "docker": ("hosts: {v: {domain: a.fr, runtime: docker}}\n", "(did you mean 'compose'?)"),
    "an address for a domain": ("hosts: {v: {domain: 1.2.3.4}}\n", "the address into the host's `address`"),
    "a new address": ("hosts: {v: {domain: '2001:db8::1'}}\n", "'2001:db8::1' is an address, but services"),
    "an address for a name": (SERVICE + "    hostname: 10.0.0.1\n", "'10.0.0.1' is an address"),
    "a URL for a domain": ("hosts: {v: {domain: 'https://a.fr/'}}\n", "is not a host name: write a.fr"),
    "a wildcard": ("hosts: {v: {domain: '*.a.fr'}}\n", "is not a host name: write a.fr"),
    "a city": ("hosts: {v: {domain: a.fr, timezone: Europe/Pari}}\n", "(did you mean Europe/Paris?)"),
    "a kind by its model": (HOST + "services: {w: {kind: whisper}}\n", "(did you mean 'faster-whisper'? known: "),
    "a key that YAML reads as false": ("hosts: {off: {domain: a.fr}}\n", "a key must be a plain word: write 'off', in"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WHOLE.values(), ids=WHOLE)
def test_what_to_write_in_place_of_a_whole(told: Told, text: str, sentence: str) -> None:
    (line,) = told(text)
    assert sentence in line, line


ONCE = {
    "a wrong domain": "hosts: {v: {domain: 'a b'}}\n",
    "a misspelt domain": "hosts: {v: {domian: a.fr}}\n",
    "a misspelt kind": HOST + "services: {w: {kid: faster-whisper}}\n",
    "a wrong host of two": "hosts: {a: {domain: a.fr}, b: {domain: b.fr}}\nservices: {w: {kind: whisperx, host: 5}}\n",
    "a host that is a list": "hosts: {a: {domain: a.fr}, b: [1]}\nservices: {w: {kind: whisperx, host: b}}\n",
    "a wrong certificate": "hosts: {v: {domain: a.fr, tls: {mode: files, certificate: 5, key: 'file:k'}}}\n",
    "a wrong token": HOST + "services: {m: {kind: whisperx, diarizer: pyannote, secrets: {HF_TOKEN: hf_x}}}\n",
    "tokens as a list": HOST + "services: {m: {kind: whisperx, diarizer: pyannote, secrets: [hf_x]}}\n",
    "a misspelt image": HOST + "services: {b: {kind: container, imgae: 'a/b:1', container_port: 80}}\n",
    "a wrong port": HOST + "services: {a: {kind: whisperx}, b: {kind: faster-whisper, port: x}}\n",
}


@pytest.mark.parametrize("text", ONCE.values(), ids=ONCE)
def test_one_mistake_is_told_once(told: Told, text: str) -> None:
    assert len(told(text)) == 1, told(text)


def test_a_name_is_shown_as_it_was_written(told: Told) -> None:
    two = "services: {a: {kind: whisperx, hostname: W.A.FR}, b: {kind: faster-whisper, hostname: W.a.fr}}\n"
    assert "W.a.fr is already used by a" in told(HOST + two)[0]


def test_apps_and_extensions_may_call(resolved: Resolved) -> None:
    origins = [
        "tauri://localhost", "http://tauri.localhost", "app://obsidian.md", "capacitor://localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://7ba1fee3-9d4d-4d1b-8e9f-6b1c0e8c1a5a",
    ]  # fmt: skip
    written = (
        f"hosts: {{v: {{domain: a.fr, cors_origins: {json.dumps(origins)}}}}}\nservices: {{w: {{kind: whisperx}}}}\n"
    )
    host = resolved(written).hosts[0]
    assert host.cors_origins == tuple(origins)
    text = render.tree(host)["/etc/nginx/conf.d/greffier-http.conf"].text
    block = text.partition("$greffier_cors {")[2].partition("}\n")[0]
    allowed = [re.compile(json.loads(line.split()[0] + ' ' + " ".join(line.split()[1:-1]))[1:])
               for line in block.splitlines() if '"~^' in line]  # fmt: skip
    for origin in origins:
        assert any(pattern.search(f"w.a.fr {origin}") for pattern in allowed), origin
    assert not any(pattern.search("w.a.fr app://obsidian.md.evil.example") for pattern in allowed)


def test_an_image_by_its_tag_and_its_digest(resolved: Resolved) -> None:
    image = f"docker.io/library/nginx:1.25@sha256:{'a' * 64}"
    written = f"{HOST}services: {{b: {{kind: container, container_port: 80, image: '{image}'}}}}\n"
    host = resolved(written).hosts[0]
    assert compose.project(host, host.services[0])["services"]["b"]["image"] == image
    assert images.familiar(image) == f"nginx@sha256:{'a' * 64}"
    assert images.familiar("localhost:5000/a/b:1") == "localhost:5000/a/b:1"
    assert images.familiar(f"localhost:5000/a/b@sha256:{'a' * 64}") == f"localhost:5000/a/b@sha256:{'a' * 64}"


def test_services_of_one_kind_do_not_clash_on_a_port_that_nobody_asked_for(resolved: Resolved) -> None:
    written = """\
services:
  a: {kind: faster-whisper}
  b: {kind: faster-whisper}
  c: {kind: faster-whisper, port: 8011}
  d: {kind: whisperx, port: 8021}
  e: {kind: whisperx, wyoming: 10300}
"""
    (host,) = resolved(HOST + written).hosts
    ports = {service.name: service.port for service in host.services}
    assert ports == {"a": 8001, "b": 8031, "c": 8011, "d": 8021, "e": 8002}
    every = [p for s in host.services for p in (s.port, s.second_port, s.wyoming_port) if p]
    assert len(set(every)) == len(every)


@given(st.integers(1, 2000), st.sampled_from(["KB", "MiB", "gb"]))
def test_what_is_said_to_write_is_taken(number: int, unit: str) -> None:
    with pytest.raises(ValueError, match="write ") as raised:
        quantities.size(f"{number} {unit}")
    assert quantities.size(str(raised.value).rpartition("write ")[2]) == quantities.size(f"{number}{unit[0]}")


MISTAKES: dict[str, str] = {
    "unknown key": SERVICE + "    modle: x\n",
    "unknown kind": HOST + "services: {w: {kind: whisper}}\n",
    "kind missing": HOST + "services: {w: {}}\n",
    "no host": "hosts: {}\n",
    "no domain": "hosts: {v: {user: root}}\n",
    "an address for a domain": "hosts: {v: {domain: 1.2.3.4}}\n",
    "a URL for a domain": "hosts: {v: {domain: 'https://a.fr'}}\n",
    "a service's name": HOST + "services: {Whisper: {kind: whisperx}}\n",
    "a reserved name": HOST + "services: {docs: {kind: whisperx}}\n",
    "a host's name": "hosts: {My_Host: {domain: a.fr}}\n",
    "a variable's name": SERVICE + "    environment: {A-B: x}\n",
    "a secret itself": SERVICE + "    secrets: {HF_TOKEN: hf_abc}\n",
    "a size without a unit": SERVICE + "    memory: 500\n",
    "GB": SERVICE + "    memory: 4GB\n",
    "a size of nothing": SERVICE + "    memory: 0M\n",
    "minutes": SERVICE + "    idle: 15min\n",
    "off": SERVICE + "    idle: 'off'\n",
    "a port too high": SERVICE + "    port: 70000\n",
    "a port as text": SERVICE + "    port: '8001'\n",
    "a model misspelt": SERVICE + "    model: bse\n",
    "a model misspelt, of several": SERVICE + "    models: [base, smal]\n",
    "gpu": SERVICE + "    device: gpu\n",
    "docker": "hosts: {v: {domain: a.fr, runtime: docker}}\n",
    "tls in one word": "hosts: {v: {domain: a.fr, tls: internal}}\n",
    "files without files": "hosts: {v: {domain: a.fr, tls: {mode: files}}}\n",
    "a key for letsencrypt": "hosts: {v: {domain: a.fr, tls: {key: 'file:k'}}}\n",
    "an origin with a path": "hosts: {v: {domain: a.fr, cors_origins: ['https://a/b']}}\n",
    "every origin": "hosts: {v: {domain: a.fr, cors_origins: ['*']}}\n",
    "a zone with a blank": "hosts: {v: {domain: a.fr, timezone: 'Central Europe'}}\n",
    "an image without a tag": HOST + "services: {b: {kind: container, image: a/b, container_port: 80}}\n",
    "a container of nothing": HOST + "services: {b: {kind: container}}\n",
    "a model of a container": HOST + "services: {b: {kind: container, image: 'a:1', container_port: 1, model: a/b}}\n",
    "health of a kind of the kit's": SERVICE + "    health: /up\n",
    "a folder beside": HOST + "services: {b: {kind: container, image: 'a:1', container_port: 1, volumes: {a: ../b}}}\n",
    "a language in words": HOST + "services: {m: {kind: whisperx, alignment: {french: a/b}}}\n",
    "services as a list": HOST + "services: [{kind: whisperx}]\n",
}


@pytest.mark.parametrize("text", MISTAKES.values(), ids=MISTAKES)
def test_an_editor_sees_what_check_sees(told: Told, text: str) -> None:
    document = schema.document()
    assert told(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), document)


RIGHT: tuple[dict[str, Any], ...] = (
    {"model": "base"}, {"model": "whisper-1"}, {"model": "a/b"}, {"models": ["turbo", "a/b"]}, {"idle": "never"},
    {"memory": "4G"}, {"device": "cuda"}, {"wyoming": 10300}, {"hostname": "w.a.fr"},
    {"secrets": {"A": "command:pass x"}},
)  # fmt: skip


@pytest.mark.parametrize("keys", RIGHT, ids=lambda keys: "".join(keys))
def test_an_editor_refuses_nothing_that_check_takes(told: Told, keys: dict[str, Any]) -> None:
    data = {"hosts": {"v": {"domain": "a.fr"}}, "services": {"w": {"kind": "faster-whisper", **keys}}}
    assert told(json.dumps(data)) == []
    jsonschema.validate(data, schema.document())


def test_the_languages_are_those_that_services_know() -> None:
    text = (ROOT / "services/core/src/stt_core/languages.py").read_text()
    known = text.partition('_WHISPERS = """')[2].partition('"""')[0].replace("\n", " ").split(",")
    assert {entry.split()[0] for entry in known} == rules.LANGUAGES


def test_the_number_formats_are_those_that_pytorch_takes() -> None:
    manifest = catalog.load()["pytorch"].manifest
    text = (ROOT / "services/pytorch/src/stt_pytorch/hardware.py").read_text()
    types = next(line for line in text.splitlines() if line.startswith("TYPES = "))
    assert isinstance(manifest, catalog.Own) and types == f"TYPES = {tuple(manifest.formats)}".replace("'", '"')
