"""The internal authority, what it issues and when, and certificates that the operator brings."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from deploy import workspace
from deploy.certificates import issuing
from deploy.certificates.issuing import Certificate
from deploy.config.stack import HostStack, TlsStack
from deploy.errors import KitError
from deploy.transport.targets import Target
from deploy.types import Reference, Secret

KEY = Reference("file", "key.pem")


def renamed(host: HostStack, name: str) -> HostStack:
    return replace(host, services=(replace(host.services[0], hostname=name),))


def leaf(host: HostStack, target: Target) -> x509.Certificate:
    return x509.load_pem_x509_certificate(target.read(issuing.chain_path(host.layout)) or b"")


def authority(host: HostStack, target: Target) -> x509.Certificate:
    return x509.load_pem_x509_certificate(target.read(host.layout.authority) or b"")


def test_a_certificate_for_every_name_of_the_host_by_its_own_authority(one: HostStack, target: Target) -> None:
    assert target.answer(issuing.reason(one)) == "none on the host"
    issuing.install(one, target, {})
    assert target.answer(issuing.reason(one)) == ""
    there = leaf(one, target)
    names = there.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["portal.example.org", "whisper.example.org"]
    there.verify_directly_issued_by(authority(one, target))
    secret = [issuing.key_path(one.layout), f"{one.layout.etc}/tls/ca.key"]
    assert {state.mode for state in target.states(secret).values()} == {0o600}


def test_another_name_needs_another_certificate_of_the_same_authority(one: HostStack, target: Target) -> None:
    issuing.install(one, target, {})
    before = authority(one, target)
    other = renamed(one, "speech.example.org")
    assert target.answer(issuing.reason(other)) == "the current one lacks speech.example.org"
    issuing.install(other, target, {})
    assert target.answer(issuing.reason(other)) == "" and authority(one, target) == before


def test_it_is_renewed_when_a_third_of_its_life_is_left(
    one: HostStack, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    there = Certificate(frozenset(), begins, begins + dt.timedelta(days=90), "")
    assert not there.due(begins + dt.timedelta(days=60))
    assert there.due(begins + dt.timedelta(days=60, seconds=1))
    assert there.due(begins + dt.timedelta(days=91))
    monkeypatch.setattr(issuing, "LEAF_DAYS", 0)
    issuing.install(one, target, {})
    assert target.answer(issuing.reason(one)).startswith("the current one expires on ")
    monkeypatch.undo()
    issuing.install(one, target, {})
    assert target.answer(issuing.reason(one)) == ""


def test_a_certificate_that_cannot_be_read_is_replaced(one: HostStack, target: Target) -> None:
    issuing.install(one, target, {})
    Path(issuing.chain_path(one.layout)).write_text("nonsense")
    assert target.answer(issuing.reason(one)) == "the current one cannot be read"
    issuing.install(one, target, {})
    assert target.answer(issuing.reason(one)) == ""
    Path(issuing.key_path(one.layout)).unlink()
    assert target.answer(issuing.reason(one)) == "none on the host"


def given(host: HostStack, chain: Path) -> HostStack:
    return replace(host, tls=TlsStack("files", "", "", False, "", str(chain), KEY))


@pytest.fixture
def brought(one: HostStack, target: Target, tmp_path: Path) -> tuple[HostStack, str]:
    """A host whose certificate the operator brings, and its key."""
    issuing.install(one, target, {})
    chain, key = target.read(issuing.chain_path(one.layout)), target.read(issuing.key_path(one.layout))
    assert chain and key
    (tmp_path / "chain.pem").write_bytes(chain)
    return given(one, tmp_path / "chain.pem"), key.decode()


def test_given_files_are_put_in_place(brought: tuple[HostStack, str], target: Target) -> None:
    host, key = brought
    Path(issuing.chain_path(host.layout)).unlink()
    issuing.install(host, target, {KEY: Secret(key)})
    assert target.answer(issuing.reason(host)) == ""
    Path(host.tls.certificate).write_text("another")
    assert target.answer(issuing.reason(host)) == "the one in the inventory is another"


def test_back_at_the_internal_authority_the_given_one_goes(one: HostStack, target: Target, tmp_path: Path) -> None:
    issuing.install(one, target, {})
    elsewhere = replace(one, domain="elsewhere", layout=replace(one.layout, etc=f"{tmp_path}/elsewhere"))
    issuing.install(elsewhere, target, {})
    (tmp_path / "chain.pem").write_bytes(target.read(issuing.chain_path(elsewhere.layout)) or b"")
    key = (target.read(issuing.key_path(elsewhere.layout)) or b"").decode()
    issuing.install(given(one, tmp_path / "chain.pem"), target, {KEY: Secret(key)})
    assert target.answer(issuing.reason(one)) == "the current one is not from the host's own authority"


def test_given_files_that_do_not_fit_are_refused(
    brought: tuple[HostStack, str], target: Target, tmp_path: Path
) -> None:
    host, key = brought
    issuing.install(replace(host, tls=TlsStack("internal", "", "", False, "", "", None)), target, {})
    other = (target.read(issuing.key_path(host.layout)) or b"").decode()
    for chain, secret, sentence in (
        (host.tls.certificate, other, "the key does not belong to the certificate"),
        (host.tls.certificate, "nonsense", "is not PEM"),
        (str(tmp_path / "none.pem"), key, "cannot be read: No such file"),
        ("~nobody-of-this-name/chain.pem", key, "cannot be read"),
    ):
        with pytest.raises(KitError, match=sentence) as raised:
            issuing.install(given(host, Path(chain)), target, {KEY: Secret(secret)})
        assert raised.value.code == 2 and secret not in raised.value.message


def test_a_relative_path_is_relative_to_the_inventory_as_that_of_the_key_is(tmp_path: Path) -> None:
    text = "hosts: {v: {domain: a.b, tls: {mode: files, certificate: chain.pem, key: 'file:key.pem'}}}\n"
    (tmp_path / "inventory.yml").write_text(text)
    (host,) = workspace.opened(tmp_path / "inventory.yml").stack.hosts
    assert host.tls.certificate == str(tmp_path / "chain.pem")
