"""What bad input gets: everything wrong at once, each with its place and what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy import ROOT
from deploy.config import catalog, inventory, resolve, schema, validation
from deploy.config.resolve import RESERVED_NAMES
from deploy.config.source import MAX_BYTES, parse, read
from deploy.errors import InventoryError, KitError
from deploy.transport.layouts import system_layout

Told = Callable[[str], list[str]]
HOST = "hosts:\n  vps: {domain: example.org}\n"
SERVICE = f"{HOST}services:\n  whisper:\n    kind: faster-whisper\n"
MEETING = f"{HOST}services:\n  meeting:\n    kind: whisperx\n"
CONTAINER = f"{HOST}services:\n  board:\n    kind: container\n"
BOARD = CONTAINER + "    image: ghcr.io/team/board:2.1\n    container_port: 80\n"
TWO = SERVICE + "  other:\n    kind: faster-whisper\n"

BAD = {
    "unknown key": (SERVICE + "    modle: x\n", "6:5", "unknown key 'modle' (did you mean 'model'?)"),
    "unknown key of a host called as a key is": (
        "hosts:\n  tls: {runtime: process, domian: a.b}\n", "2:27", "unknown key 'domian' (did you mean 'domain'?)",
    ),
    "unknown key in a key": ("hosts:\n  v: {domain: a.b, tls: {mod: internal}}\n", "2:26", "(did you mean 'mode'?)"),
    "unknown key far from any": (HOST + "portal: {zzz: 1}\n", "3:10", "(known here: enabled, hostname)"),
    "text for a number": (SERVICE + '    port: "8001"\n', "6:5", "'8001' is not a whole number"),
    "number for text": (SERVICE + "    environment: {STT_BEAM_SIZE: 5}\n", "6:19", "5 is not text (put it in quotes)"),
    "text for truth": (SERVICE + '    enabled: "no"\n', "6:5", "'no' is not true or false"),
    "nothing for a mapping": (HOST + "services:\n", "3:1", "services is empty (write services: {whisper: "),
    "text for a list": ("hosts:\n  v: {domain: a.b, cors_origins: x}\n", "2:20", "'x' is not a list"),
    "wrong item of a list": (
        "hosts:\n  v: {domain: a.b, cors_origins: ['https://good.example', 'https://a/b']}\n", "2:59",
        "'https://a/b' is not an origin such as https://app.example.org",
    ),
    "no such choice": (SERVICE + "    device: tpu\n", "6:5", "'tpu' is not one of 'cpu' or 'cuda'"),
    "no kind": (HOST + "services:\n  whisper: {}\n", "4:3", "kind is missing (such as kind: faster-whisper)"),
    "no such kind": (HOST + "services:\n  whisper: {kind: siri}\n", "4:13", "there is no kind 'siri' (known: "),
    "no such host": (SERVICE + "    host: mars\n", "6:5", "there is no host 'mars' (known: vps)"),
    "which host": (
        "hosts:\n  a: {domain: a.b}\n  b: {domain: b.b}\nservices:\n  w: {kind: faster-whisper}\n", "5:3",
        "name its host (host: a or b)",
    ),
    "no domain": ("hosts:\n  vps: {}\n", "2:3", "domain is missing (such as domain: example.org)"),
    "no host": ("hosts: {}\n", "1:1", "hosts: at least one is needed"),
    "no hosts": ("services: {}\n", "1:1", "hosts is missing"),
    "empty file": ("", "1:1", "hosts is missing"),
    "not a mapping": ("- a\n", "1:1", "a list is not a mapping of keys to values"),
    "size without a unit": (SERVICE + "    upload_limit: 500\n", "6:5", "500 has no unit: write 500M"),
    "size in another unit": (SERVICE + "    upload_limit: 5X\n", "6:5", "'X' is not a unit of size: use one of k, m"),
    "size of nothing": (SERVICE + "    upload_limit: 0M\n", "6:5", "must be more than zero"),
    "size beyond any disk": (SERVICE + "    upload_limit: 9999T\n", "6:5", "a size is at most 1024T"),
    "duration without a unit": (SERVICE + "    idle: 900\n", "6:5", "900 has no unit: write 30s"),
    "duration in words": (SERVICE + "    idle: soon\n", "6:5", "'soon' is not a duration"),
    "duration of years": (SERVICE + "    idle: 366d\n", "6:5", "a duration is at most 365d"),
    "two days to start": (SERVICE + "    start_timeout: 2d\n", "6:5", "at most 1d"),
    "port out of range": (SERVICE + "    port: 65536\n", "6:5", "65536 is too large: at most 65535"),
    "two services on a port": (
        SERVICE + "    port: 8001\n  other: {kind: faster-whisper, port: 8001}\n", "7:33",
        "port 8001 is already used by whisper",
    ),
    "autostart's port": (SERVICE + "    port: 8890\n", "6:5", "port 8890 is already used by autostart"),
    "the password check's port": (SERVICE + "    port: 8891\n", "6:5", "8891 is already used by the password check"),
    "nginx's port": (SERVICE + "    port: 443\n", "6:5", "port 443 is already used by nginx"),
    "Wyoming at a name": (SERVICE + "    wyoming: ha.lan:10300\n", "6:5", "'ha.lan:10300' is not a port such as 10300"),
    "Wyoming without a port": (SERVICE + "    wyoming: 192.0.2.7\n", "6:5", "address and port such as 192.0.2.7:103"),
    "Wyoming at six bare groups": (SERVICE + '    wyoming: "::1:10300"\n', "6:5", "is not a port such as 10300"),
    "Wyoming in a zone": (SERVICE + '    wyoming: "[fe80::1%eth0]:10300"\n', "6:5", "is not a port such as 10300"),
    "a low port for Wyoming": (SERVICE + "    wyoming: 443\n", "6:5", "a port from 1024 to 65535"),
    "yes to Wyoming": (SERVICE + "    wyoming: true\n", "6:5", "true is not a port such as 10300"),
    "Wyoming's port is the service's": (SERVICE + "    wyoming: 8001\n", "6:5", "port 8001 is already used by whisper"),
    "Wyoming's port is autostart's": (SERVICE + "    wyoming: 8890\n", "6:5", "8890 is already used by autostart"),
    "Wyoming's port is another's": (
        SERVICE + "    wyoming: 10300\n  other: {kind: faster-whisper, port: 8002, wyoming: 10300}\n", "7:45",
        "port 10300 is already used by whisper",
    ),
    "no port left for Wyoming": (SERVICE + "    port: 65500\n    wyoming: 10300\n", "6:5", "and 65800 is too high"),
    "a container that speaks Wyoming": (BOARD + "    wyoming: 10300\n", "8:5", "container does not speak Wyoming"),
    "two services at a hostname": (
        TWO + "    port: 8002\n    hostname: Whisper.Example.Org\n", "9:5", "is already used by whisper",
    ),
    "the portal's hostname": (SERVICE + "    hostname: portal.example.org\n", "6:5", "is already used by the portal"),
    "hostname with a path": (SERVICE + "    hostname: a.b/c\n", "6:5", "'a.b/c' is not a host name such as"),
    "hostname too long": (SERVICE + f"    hostname: {'.'.join(['a' * 60] * 5)}\n", "6:5", "at most 253 characters"),
    "service name with capitals": (HOST + "services:\n  Whisper: {kind: x}\n", "4:3", "is not a name: small letters"),
    "variable with a hyphen": (SERVICE + "    environment: {A-B: x}\n", "6:19", "'A-B' is not the name of an env"),
    "value over two lines": (SERVICE + '    environment: {A: "x\\ny"}\n', "6:19", "a value is one line"),
    "a variable of the kit's": (SERVICE + "    environment: {STT_PORT: '1'}\n", "6:19", "STT_PORT is set by Greffier"),
    "a variable twice": (
        SERVICE + "    environment: {A: x}\n    secrets: {A: 'env:A'}\n", "7:15", "A is set twice",
    ),
    "Let's Encrypt on this machine": (
        "hosts:\n  v: {runtime: process, tls: {mode: letsencrypt}}\n", "2:31", "cannot reach a host with `runtime",
    ),
    "files without files": ("hosts:\n  v: {domain: a.b, tls: {mode: files}}\n", "2:20", "needs `certificate` and"),
    "key for another mode": (
        "hosts:\n  v: {domain: a.b, tls: {certificate: x}}\n", "2:20", "belong to tls mode files, not letsencrypt",
    ),
    "a container of nothing": (
        CONTAINER + "    container_port: 80\n", "4:3", "needs `image` (such as image: ghcr.io/owner/name:1.2)",
    ),
    "a container without a port": (CONTAINER + "    image: a/b:1\n", "4:3", "a container needs `container_port` (such"),
    "a model of a container": (
        BOARD + "    model: a/b\n", "8:5", "`model` does not apply to kind container",
    ),
    "health of a kind of the kit's": (SERVICE + "    health: /up\n", "6:5", "`health` belongs to kind container"),
    "volumes of a kind of the kit's": (SERVICE + "    volumes: {a: /a}\n", "6:5", "`volumes` belongs to kind con"),
    "speakers of a kind that tells none apart": (
        SERVICE + "    diarizer: open\n", "6:5", "faster-whisper does not tell speakers apart (kind whisperx does)",
    ),
    "speakers of a container": (BOARD + "    diarizer: open\n", "8:5", "`diarizer` does not apply to kind container"),
    "alignment of a kind that does none": (
        SERVICE + "    alignment: {fr: a/b}\n", "6:5", "does not use alignment models (kind whisperx does)",
    ),
    "no such diarizer": (MEETING + "    diarizer: nemo\n", "6:5", "'nemo' is not one of 'auto', 'open' or 'pyannote'"),
    "a diarizer without a token": (
        MEETING + "    diarizer: pyannote\n", "6:5",
        "accept the terms of pyannote/speaker-diarization-community-1 at https://huggingface.co/pyannote/speaker-diar",
    ),
    "a model for the open diarizer": (
        MEETING + "    diarizer: open\n    diarization_model: a/b\n", "7:5", "belongs to diarizer pyannote or auto",
    ),
    "a folder that is none": (MEETING + "    diarization_model: /a/../b\n", "6:5", "is not a folder of the host such"),
    "a folder beside the inventory": (MEETING + "    diarization_model: ./a\n", "6:5", "is not a model's name, such"),
    "a language in words": (MEETING + "    alignment: {french: a/b}\n", "6:17", "'french' is not a language, such as"),
    "a model that is an address": (
        MEETING + "    alignment: {fr: 'https://hub/a'}\n", "6:17", "is not a model's name",
    ),
    "a diarizer by its variable": (
        MEETING + "    environment: {STT_DIARIZER: open}\n", "6:19", "STT_DIARIZER is set by Greffier",
    ),
    "two volumes in one folder": (
        BOARD + "    volumes: {a: /a, b: /a}\n", "8:22", "/a is the mount point of two volumes",
    ),
    "a folder for a volume": (BOARD + "    volumes: {a: ../etc}\n", "8:15", "'../etc' is not a folder such as /data"),
    "the host's folder for a volume": (BOARD + "    volumes: {/etc: /a}\n", "8:15", "'/etc' is not a name"),
    "an image without a tag": (CONTAINER + "    image: a/b\n    container_port: 1\n", "6:5", "with its tag or digest"),
    "an image that is an option": (SERVICE + "    image: --all:1\n", "6:5", "is not an image"),
    "a path with a question": (BOARD + "    health: /up?now\n", "8:5", "'/up?now' is not a path such as /health"),
    "a container without Docker": (
        "hosts:\n  v: {runtime: process}\nservices:\n  b: {kind: container, image: 'a:1', container_port: 1}\n", "4:7",
        "a container needs Docker, and this host has `runtime: process`",
    ),
    "an image without Docker": (
        "hosts:\n  v: {runtime: process}\nservices:\n  b: {kind: faster-whisper, image: 'a:1'}\n", "4:29",
        "nothing runs from an image with `runtime: process`",
    ),
    "a build without Docker": ("hosts:\n  v: {runtime: process, build: laptop}\n", "2:25", "no image is built"),
    "a variable of the host's": (BOARD + "    environment: {TZ: Asia/Tokyo}\n", "8:19", "TZ is set by Greffier"),
    "a key twice": (SERVICE + "    kind: x\n", "6:5", "'kind' is written twice"),
    "an alias": ("hosts:\n  a: &x {domain: a.b}\n  b: *x\n", "2:6", "aliases (*name) are not allowed"),
    "a tag": (HOST + "portal: {hostname: !vault x}\n", "3:20", "!vault cannot be read as a value"),
    "a tab": ("hosts:\n\ta: {}\n", "2:1", "a tab: YAML is indented with spaces"),
    "no colon": ("hosts\n  a: {}\n", "2:4", "(is a `:` missing at the end of the line above?)"),
    "an open quote": ('hosts:\n  a: {domain: "a.b}\n', "2:15", "a quote that begins here is never closed"),
    "two documents": ("hosts: {}\n---\nhosts: {}\n", "2:1", "a second document begins here"),
    "not YAML": ("hosts:\n  a: {domain: a.b\n", "3:1", "not valid YAML"),
    "a control character": ("hosts:\x01", "1:1", "not valid YAML"),
    "brackets without end": ("[" * 5000, "1:1", "nested too deeply"),
    "nested": ("a: " + "[" * 50 + "]" * 50, "1:20", "nested too deeply"),
    "a huge number": (SERVICE + f"    port: 0x{'f' * 9000}\n", "6:11", "a number as large as this"),
    "half a character": (SERVICE + '    model: "\\ud800"\n', "6:12", "half a surrogate pair"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_named_with_its_place(told: Told, text: str, place: str, sentence: str) -> None:
    lines = told(text)
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"inventory.yml:{place}: ") and sentence in lines[0]


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_path_of_the_portal_or_the_api_is_no_service_name(told: Told, name: str) -> None:
    (line,) = told(f"{HOST}services:\n  {name}: {{kind: faster-whisper, hostname: a.b}}\n")
    assert line.startswith("inventory.yml:4:3: ") and f"cannot be called '{name}'" in line


def test_everything_is_told_at_once_in_the_order_of_the_file(told: Told) -> None:
    lines = told("""\
hosts:
  vps: {domain: example.org, cors_origins: [bad, 5], request_rate: 0}
services:
  docs: {kind: siri}
  a: {kind: faster-whisper, upload_limit: 5, idle: 7, color: red}
  b: {kind: faster-whisper, port: 8890}
  c: {}
""")
    places = [line.split(": ")[0].removeprefix("inventory.yml:") for line in lines]
    assert places == ["2:45", "2:50", "2:54", "4:3", "4:10", "5:29", "5:46", "5:55", "6:29", "7:3"], lines


PASTED = "hf_abcDEF123456"


@pytest.mark.parametrize(
    "text",
    [
        SERVICE + f"    secrets: {{HF_TOKEN: {PASTED}}}\n",
        SERVICE + f"    secrets: {{HF_TOKEN: 'env:HF TOKEN {PASTED}'}}\n",
        SERVICE + f"    secrets: {{HF_TOKEN: [{PASTED}]}}\n",
        SERVICE + f"    secrets: [HF_TOKEN={PASTED}]\n",
        SERVICE + f"    secrets: {{HF_TOKEN={PASTED}}}\n",
        SERVICE + f"    secrets: {PASTED}\n",
        f"hosts:\n  v: {{domain: a.b, tls: {{mode: files, certificate: c, key: {PASTED}}}}}\n",
        f"hosts:\n  v: {{domain: a.b, tls: {{mode: files, certificate: c, key: [{PASTED}]}}}}\n",
        SERVICE.replace("whisper:", "whisper: &x") + f"    secret: {PASTED}\n",
    ],
)
def test_a_pasted_secret_is_not_repeated(told: Told, text: str) -> None:
    lines = told(text)
    assert lines and not any(PASTED in line for line in lines)


def test_a_number_pasted_as_a_secret_is_not_repeated(told: Told) -> None:
    (line,) = told(SERVICE + "    secrets: {PIN: 271828}\n")
    assert "271828" not in line and "env:NAME" in line


EMPTY = {f"hosts.v.{key}": f"hosts:\n  v: {{domain: a.b, {key}: }}\n" for key in inventory.Host.model_fields}
EMPTY["hosts.v.domain"] = "hosts:\n  v: {domain: }\n"
EMPTY |= {
    f"hosts.v.tls.{key}": f"hosts: {{v: {{domain: a.b, tls: {{{key}: }}}}}}\n" for key in inventory.Tls.model_fields
}
EMPTY |= {
    f"services.w.{key}": HOST + f"services: {{w: {{kind: faster-whisper, {key}: }}}}\n"
    for key in inventory.Service.model_fields
}
EMPTY["services.w.kind"] = HOST + "services: {w: {kind: }}\n"
EMPTY |= {f"portal.{key}": HOST + f"portal: {{{key}: }}\n" for key in inventory.Portal.model_fields}
EMPTY |= {
    f"notify.{key}": HOST + f"notify: {{{key}: {', webhook: env:HOOK' if key != 'webhook' else ''}}}\n"
    for key in inventory.Notify.model_fields
}
EMPTY |= {key: HOST + f"{key}:\n" for key in inventory.Inventory.model_fields}
EMPTY["hosts"] = "hosts:\n"
EMPTY |= {
    "hosts.v": "hosts: {v: }\n",
    "services.w": HOST + "services: {w: }\n",
    "services.w.environment.A": HOST + "services: {w: {kind: faster-whisper, environment: {A: }}}\n",
    "services.w.secrets.A": HOST + "services: {w: {kind: faster-whisper, secrets: {A: }}}\n",
    "services.w.models.0": HOST + "services: {w: {kind: faster-whisper, models: [~]}}\n",
    "services.board.image": CONTAINER + "    image:\n    container_port: 80\n",
    "services.board.container_port": CONTAINER + "    image: a/b:1\n    container_port:\n",
    "services.x.host": "hosts: {a: {domain: a.b}, b: {domain: b.c}}\nservices: {x: {kind: faster-whisper, host: }}\n",
    "hosts.f.tls.key": "hosts: {f: {domain: a.b, tls: {mode: files, certificate: c, key: }}}\n",
}


@pytest.mark.parametrize("where", EMPTY)
def test_a_key_without_a_value_is_told_where_it_stands(told: Told, where: str) -> None:
    """Not as if it were left out: half of a rule is no rule, and a service that lost its host would be removed."""
    text = EMPTY[where]
    lines = told(text)
    assert len(lines) == 1 and f": {where} is empty" in lines[0], lines
    places = parse(text.encode(), "i").places
    place = places[next(keys for keys in places if ".".join(map(str, keys)) == where)]
    assert lines[0].startswith(f"inventory.yml:{place[0]}:{place[1]}: "), lines


@pytest.mark.parametrize("where", EMPTY)
def test_the_schema_takes_no_key_without_a_value(where: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(EMPTY[where]), schema.document())


def test_no_host_is_left_out_without_a_word() -> None:
    """Even if what reads the file took an empty domain for one that is told of already."""
    source = parse(b"hosts: {a: {domain: }, b: {domain: b.c}}", "inventory.yml")
    wrote = inventory.Inventory.model_validate({"hosts": {"a": {}, "b": {"domain": "b.c"}}})
    layouts = dict.fromkeys(wrote.hosts, system_layout())
    found, problems = resolve.looked_at(wrote, source, catalog.load(), layouts, catalog.autostart())
    assert [host.name for host in found.hosts] == ["b"]
    assert [problem.message for problem in problems] == ["hosts.a: domain is missing"]


KEYS = [f"hosts: {{v: {{{key}: %s}}}}" for key in inventory.Host.model_fields]
KEYS += [f"hosts: {{v: {{}}}}\nservices: {{w: {{{key}: %s}}}}" for key in inventory.Service.model_fields]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3), max_leaves=8
)


@given(st.sampled_from(KEYS), VALUES)
def test_no_value_of_any_key_ends_in_a_stack_trace(text: str, value: object) -> None:
    try:
        validation.validate(parse((text % json.dumps(value)).encode(), "i"))
    except InventoryError as error:
        assert error.problems


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_stack_trace(raw: bytes) -> None:
    try:
        validation.validate(parse(raw, "i"))
    except InventoryError as error:
        assert error.problems


def test_a_file_that_is_no_text_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_bytes(b"hosts: \xff")
    with pytest.raises(InventoryError, match="not UTF-8 text"):
        read(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(KitError, match="more than 1048576"):
        read(path)


def test_a_byte_order_mark_is_no_error(told: Told) -> None:
    assert told("\ufeff" + SERVICE) == []


@pytest.mark.parametrize(
    "path", [ROOT / "inventory.yml", *sorted((ROOT / "examples").glob("*.yml"))], ids=lambda p: p.name
)
def test_the_examples_are_right(told: Told, path: Path) -> None:
    assert told(path.read_text(encoding="utf-8")) == []
