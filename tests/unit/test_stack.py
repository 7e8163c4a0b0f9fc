"""What an inventory means where it says nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.config import quantities, stack
from deploy.config.stack import Stack
from deploy.models import fetching
from deploy.runtime import images

Resolved = Callable[[str], Stack]
ONE = "hosts:\n  vps: {domain: example.org}\nservices:\n  whisper: {kind: faster-whisper}\n"


def test_the_defaults_of_one_service_on_one_host(resolved: Resolved) -> None:
    (host,) = resolved(ONE).hosts
    (service,) = host.services
    assert service.hostname == "whisper.example.org" and service.port == 8001
    assert service.model == "Systran/faster-whisper-small"
    assert (service.device, service.compute_type) == ("cpu", "int8")
    assert service.upload_limit == quantities.size("500M")
    assert (service.read_timeout, service.start_timeout, service.idle) == (600, 30, 900)
    assert service.portal_path == "/whisper"
    assert host.portal == "portal.example.org" and host.runtime == "compose"
    assert (host.address, host.user, host.ssh_port, service.timezone) == ("example.org", "", 0, "UTC")
    assert (host.layout.autostart_port, host.layout.auth_port) == (8890, 8891)
    assert (host.layout.http_port, host.layout.https_port) == (80, 443)
    assert host.tls.mode == "letsencrypt"
    assert host.base_url(service) == "https://portal.example.org/whisper/v1"


def test_on_this_machine_the_portal_is_localhost_and_the_authority_internal(resolved: Resolved) -> None:
    (host,) = resolved("hosts: {me: {runtime: process}}\nservices: {whisper: {kind: faster-whisper}}\n").hosts
    assert host.portal == "localhost" and host.services[0].hostname == "whisper.localhost"
    assert host.tls.mode == "internal"
    assert host.base_url(host.services[0]) == "https://localhost:8443/whisper/v1"


def test_a_gpu_computes_in_float16_and_what_is_written_wins(resolved: Resolved) -> None:
    text = ONE.replace("faster-whisper}", "faster-whisper, device: cuda%s}")
    assert resolved(text % "").hosts[0].services[0].compute_type == "float16"
    assert resolved(text % ", compute_type: int8_float16").hosts[0].services[0].compute_type == "int8_float16"


def test_memory_is_what_the_model_needs_unless_it_is_written(resolved: Resolved) -> None:
    def memory(more: str) -> int:
        return resolved(ONE.replace("faster-whisper}", f"faster-whisper, {more}}}")).hosts[0].services[0].memory

    known, unknown = memory("model: Systran/faster-whisper-base"), memory("model: somebody/else")
    assert known < unknown
    assert memory("memory: 3G") == 3 << 30
    several = "model: Systran/faster-whisper-tiny.en, models: [Systran/faster-whisper-base, {}]"
    assert memory(several.format("Systran/faster-whisper-tiny.en")) == known
    assert memory(several.format("somebody/else")) == unknown


def test_every_model_of_a_service_is_fetched(resolved: Resolved, tmp_path: Path) -> None:
    several = "faster-whisper, model: a/b, models: [a/c, Systran/faster-whisper-base, a/b]}"
    (host,) = resolved(ONE.replace("faster-whisper}", several)).hosts
    wanted = fetching.wanted(host, tmp_path / "inventory.yml")
    assert list(wanted) == ["a/b", "a/c", "Systran/faster-whisper-base"]
    assert wanted["Systran/faster-whisper-base"]["files"] and not wanted["a/c"]["files"]


def test_what_is_not_enabled_is_nowhere_and_holds_no_port(resolved: Resolved) -> None:
    text = ONE + "  other: {kind: faster-whisper, enabled: false}\n"
    assert [s.name for s in resolved(text).hosts[0].services] == ["whisper"]


def test_an_optional_kind_is_off_unless_it_is_enabled(resolved: Resolved, tmp_path: Path) -> None:
    text = ONE + "  large: {kind: pytorch%s}\n"
    (host,) = resolved(text % "").hosts
    assert [s.name for s in host.services] == ["whisper"] and not components_of(host, "pytorch")
    assert not any("openai/" in name for name in fetching.wanted(host, tmp_path / "inventory.yml"))
    (host,) = resolved(text % ", enabled: true").hosts
    assert [s.profile for s in host.services] == ["", "pytorch"]
    assert "openai/whisper-medium" in fetching.wanted(host, tmp_path / "inventory.yml")


def components_of(host: stack.HostStack, kind: str) -> list[str]:
    return [image for image in images.wanted(host) if kind in image]


def test_a_hostname_is_in_small_letters_as_browsers_send_it(resolved: Resolved) -> None:
    text = ONE.replace("example.org}", "Example.ORG, cors_origins: ['https://App.Example.org']}")
    (host,) = resolved(text).hosts
    assert host.services[0].hostname == "whisper.example.org"
    assert host.cors_origins == ("https://app.example.org",)


def test_one_portal_on_the_first_host_or_none(resolved: Resolved) -> None:
    text = """\
hosts: {a: {domain: a.net}, b: {domain: b.net}}
services: {one: {kind: faster-whisper, host: a}, two: {kind: faster-whisper, host: b}}
"""
    first, second = resolved(text).hosts
    assert (first.portal, second.portal) == ("portal.a.net", "")
    assert second.base_url(second.services[0]) == "https://two.b.net/v1"
    assert resolved(text + "portal: {enabled: false}\n").hosts[0].names == ("one.a.net",)


def test_wyoming_is_on_this_host_alone_unless_an_address_is_given(resolved: Resolved) -> None:
    def at(written: str) -> stack.ServiceStack:
        return resolved(ONE.replace("faster-whisper}", f"faster-whisper, wyoming: {written}}}")).hosts[0].services[0]

    alone = at("10300")
    assert (alone.wyoming, alone.wyoming_port, alone.exposed) == (("127.0.0.1", 10300), 8301, "")
    assert at("'192.0.2.7:10300'").exposed == "192.0.2.7 port 10300"
    assert at("'[2001:db8::7]:10300'").wyoming == ("2001:db8::7", 10300)
    assert at("'[::1]:10300'").exposed == "" and at("'0.0.0.0:10300'").exposed
    assert resolved(ONE).hosts[0].services[0].wyoming is None


def test_a_second_release_has_a_second_port_for_wyoming_too(resolved: Resolved) -> None:
    (host,) = resolved(ONE.replace("faster-whisper}", "faster-whisper, wyoming: 10300}")).hosts
    (second,) = host.in_second_slots(["whisper"]).services
    assert (second.port, second.wyoming_port, second.wyoming) == (9001, 9301, ("127.0.0.1", 10300))
    assert host.in_second_slots(["whisper"]).in_second_slots(["whisper"]).services[0].wyoming_port == 8301
    (host,) = resolved(ONE.replace("faster-whisper}", "faster-whisper, wyoming: 9301}")).hosts
    assert host.services[0].second_port == 0


MEETING = "hosts:\n  vps: {domain: example.org}\nservices:\n  meeting: {kind: whisperx%s}\n"
TOKEN = ", secrets: {HF_TOKEN: 'env:HF_TOKEN'}"
COMMUNITY = "pyannote/speaker-diarization-community-1"


@pytest.mark.parametrize(
    ("more", "gated"),
    [
        ("", {}),
        (TOKEN, {COMMUNITY: True}),
        (TOKEN.replace("HF_TOKEN:", "HUGGINGFACE_TOKEN:"), {COMMUNITY: True}),
        (TOKEN + ", diarizer: open", {}),
        (TOKEN + ", diarizer: pyannote", {COMMUNITY: False}),
        (", diarizer: pyannote, diarization_model: /srv/diarization", {}),
        (
            TOKEN + ", diarization_model: pyannote/speaker-diarization-3.1",
            {
                "pyannote/speaker-diarization-3.1": True,
                "pyannote/segmentation-3.0": True,
                "pyannote/wespeaker-voxceleb-resnet34-LM": True,
            },
        ),
    ],
)
def test_gated_models_are_wanted_where_there_is_a_token(
    resolved: Resolved, tmp_path: Path, more: str, gated: dict[str, bool]
) -> None:
    (host,) = resolved(MEETING % more).hosts
    wanted = fetching.wanted(host, tmp_path / "inventory.yml")
    assert {name: request["spare"] for name, request in wanted.items() if request["gated"]} == gated
    assert "greffier/open-diarization" in wanted


def test_of_two_services_that_want_a_model_one_may_need_it(resolved: Resolved, tmp_path: Path) -> None:
    text = MEETING % TOKEN + f"  other: {{kind: whisperx, port: 8012, diarizer: pyannote{TOKEN}}}\n"
    for order in (text, text.replace("pyannote,", "auto,").replace("whisperx,", "whisperx, diarizer: pyannote,", 1)):
        (host,) = resolved(order).hosts
        assert fetching.wanted(host, tmp_path / "inventory.yml")[COMMUNITY]["spare"] is False


BOARD = ONE + "  board: {kind: container, image: 'team/board:2', container_port: 80%s}\n"


def test_a_container_has_its_own_address_and_is_asked_one_path(resolved: Resolved) -> None:
    (host,) = resolved(BOARD % "").hosts
    board = host.services[1]
    assert not board.own and not board.portal_path and host.base_url(board) == "https://board.example.org"
    assert (board.image, board.image_from, board.port, board.container_port) == ("team/board:2", "registry", 8007, 80)
    assert board.paths == stack.Paths("/health", "/health", ("/health",), "/health")
    (host,) = resolved(BOARD % ", health: /up, environment: {TMPDIR: /x}").hosts
    assert host.services[1].paths.quiet == ("/up",)


def test_an_image_is_built_on_the_host_or_here_or_pulled(resolved: Resolved) -> None:
    def image(text: str) -> tuple[str, str]:
        service = resolved(text).hosts[0].services[0]
        return service.image_from, service.image.partition(":")[0]

    assert image(ONE) == ("host", "greffier/faster-whisper")
    assert image(ONE.replace("example.org}", "example.org, build: laptop}")) == ("laptop", "greffier/faster-whisper")
    assert image(ONE.replace("whisper}", "whisper, image: 'r.net/w:1'}")) == ("registry", "r.net/w")


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("example.org", ["portal.example.org", "whisper.example.org"]),
        ("speech.example.com", ["portal.speech.example.com", "whisper.speech.example.com"]),
        ("myexample.org", []),
        ("example.org.fr", []),
        ("your.domain", ["portal.your.domain", "whisper.your.domain"]),
        ("contest", []),
    ],
)
def test_example_domains_are_known(resolved: Resolved, domain: str, names: list[str]) -> None:
    (host,) = resolved(ONE.replace("example.org", domain)).hosts
    assert stack.example_domains(host) == names


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("domain: box", True),
        ("domain: localhost", True),
        ("domain: speech.home.arpa", True),
        ("domain: speech.internal", True),
        ("domain: box.fr", False),
        ("domain: box, tls: {mode: internal}", False),
        ("domain: box, tls: {server: 'https://ca.box/acme'}", False),
        ("domain: localhost, runtime: process", False),
    ],
)
def test_names_that_get_no_public_certificate(resolved: Resolved, host: str, private: bool) -> None:
    (found,) = resolved(ONE.replace("domain: example.org", host)).hosts
    assert bool(stack.private_names(found)) == private


def test_every_secret_is_referred_to_once_with_its_place(resolved: Resolved) -> None:
    text = ONE.replace("faster-whisper}", "faster-whisper, secrets: {A: 'env:X', B: 'env:X', C: 'file:c'}}")
    references = resolved(text).references
    assert [str(r) for r in references] == ["env:X", "file:c"]
    assert references[0].place == "inventory.yml:4:45"
