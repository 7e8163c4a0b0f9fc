"""The internal authority and the certificates it issues; certificates that the operator brings."""

import datetime as dt
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy import reading
from deploy.config.stack import HostStack
from deploy.errors import HOST, INVENTORY, KitError
from deploy.render.units import LATE_SHARE
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.targets import Target, Writing
from deploy.types import Layout, Reference, Secret, digest

AUTHORITY_DAYS = 3650
LEAF_DAYS = 90
"""Days. Short, since a deploy renews it without asking."""
MAX_CHAIN = 1 << 20
"""Bytes of a certificate that is brought, with its chain."""
RENEW_SHARE = 1 / 3
"""A certificate is renewed when a third of its lifetime is left."""


@dataclass(frozen=True)
class Certificate:
    """What nginx serves."""

    names: frozenset[str]
    begins: dt.datetime
    ends: dt.datetime
    issuer: str

    def due(self, now: dt.datetime) -> bool:
        return self.ends - now < (self.ends - self.begins) * RENEW_SHARE

    def late(self, now: dt.datetime) -> bool:
        """It should have been renewed: what looks twice a day has had its chances by then."""
        return self.ends - now < (self.ends - self.begins) / LATE_SHARE


def chain_path(layout: Layout) -> str:
    return f"{layout.etc}/tls/greffier/fullchain.pem"


def served_digest(layout: Layout) -> Asking[str]:
    """Of the chain that nginx serves; empty where there is none yet."""
    pem = yield from asking.read(chain_path(layout))
    return digest(pem) if pem else ""


def key_path(layout: Layout) -> str:
    return f"{layout.etc}/tls/greffier/privkey.pem"


def read(pem: bytes) -> Certificate:
    """The first certificate of a PEM chain. Raises ValueError when there is none."""
    found = x509.load_pem_x509_certificates(pem)[0]
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*extension.get_values_for_type(x509.DNSName)]
        names += [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        names = []
    return Certificate(
        frozenset(names), found.not_valid_before_utc, found.not_valid_after_utc, found.issuer.rfc4514_string()
    )


def seen(pem: bytes | None) -> Certificate | None:
    """The same; None where there is none that can be read."""
    try:
        return read(pem) if pem else None
    except (ValueError, IndexError):
        return None


def own(target: Target, there: Certificate) -> bool:
    """Whether a certificate was issued by the host's own authority."""
    authority = target.read(target.layout.authority)
    try:
        return authority is not None and there.issuer == _subject(authority)
    except ValueError:
        return False


def damaged(layout: Layout) -> KitError:
    """What to tell where the internal authority cannot be read."""
    hint = (
        "Restore both from a backup. Or remove both: `greffier deploy` creates new ones, which clients must trust anew."
    )
    return KitError(f"{layout.authority} or ca.key beside it is damaged.", hint, code=HOST)


def reason(host: HostStack) -> Asking[str]:
    """Why a certificate must be issued or put in place; empty where the one there will do."""
    now = dt.datetime.now(dt.UTC)
    pem, key, authority = yield from asking.together(
        asking.read(chain_path(host.layout)),
        asking.existing([key_path(host.layout)]),
        asking.read(host.layout.authority),
    )
    if pem is None or not key:
        return "none on the host"
    if host.tls.mode == "files":
        return "" if pem == _given(host) else "the one in the inventory is another"
    if authority is None:
        return "the host has no authority yet"
    try:
        there, subject = read(pem), _subject(authority)
    except ValueError:
        return "the current one cannot be read"
    if host.tls.mode == "letsencrypt" and there.issuer != subject:
        return ""  # certbot's, which renews it; acme.py tells when another one is to be asked for
    missing = sorted(set(_names(host)) - there.names)
    if missing:
        return f"the current one lacks {', '.join(missing)}"
    if there.issuer != subject:
        return "the current one is not from the host's own authority"
    return f"the current one expires on {there.ends:%Y-%m-%d}" if there.due(now) else ""


def install(host: HostStack, target: Target, secrets: Mapping[Reference, Secret]) -> None:
    """Issue by the internal authority, or put the given files in place."""
    layout = host.layout
    if host.tls.mode == "files":
        chain, key = brought(host, secrets)
    else:
        chain, key = _issue(host, target)
    rights = layout.root, layout.root_group
    # Together: a key beside another's certificate keeps nginx from starting.
    target.write_all(
        [Writing(key_path(layout), key, 0o600, *rights), Writing(chain_path(layout), chain, 0o644, *rights)]
    )


def _names(host: HostStack) -> list[str]:
    return [*host.names, *(("127.0.0.1",) if host.runtime == "process" else ())]


def brought(host: HostStack, secrets: Mapping[Reference, Secret]) -> tuple[bytes, bytes]:
    """The certificate and the key that the operator brings. Raises KitError where they are not a pair."""
    assert host.tls.key
    chain, key = _given(host), secrets[host.tls.key].reveal().encode()
    _check_pair(host, chain, key)
    return chain, key


def _given(host: HostStack) -> bytes:
    try:
        return reading.whole(Path(host.tls.certificate).expanduser(), MAX_CHAIN)
    except (OSError, RuntimeError) as error:
        why = reading.reason(error)
        raise KitError(
            f"hosts.{host.name}: the certificate {host.tls.certificate} cannot be read: {why}.", code=INVENTORY
        ) from None


def _check_pair(host: HostStack, chain: bytes, key: bytes) -> None:
    try:
        public = x509.load_pem_x509_certificates(chain)[0].public_key()
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, IndexError) as error:
        raise KitError(f"hosts.{host.name}: the certificate or its key is not PEM: {error}", code=INVENTORY) from None
    if public != private.public_key():
        raise KitError(f"hosts.{host.name}: the key does not belong to the certificate.", code=INVENTORY)


def _issue(host: HostStack, target: Target) -> tuple[bytes, bytes]:
    authority, authority_key = _authority(host, target)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = []
    for name in _names(host):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(host.domain[:64]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=LEAF_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    leaf = builder.sign(authority_key, hashes.SHA256())
    return leaf.public_bytes(serialization.Encoding.PEM), _pem(key)


def _authority(host: HostStack, target: Target) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    layout = host.layout
    key_file = f"{layout.etc}/tls/ca.key"
    pem, key_pem = target.read(layout.authority), target.read(key_file)
    if pem and key_pem:
        try:
            return x509.load_pem_x509_certificate(pem), _private(key_pem)
        except (ValueError, TypeError):
            raise damaged(layout) from None
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = _named(f"Greffier authority of {host.domain}"[:64])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    target.write(key_file, _pem(key), 0o600, layout.root, layout.root_group)
    target.write(
        layout.authority, certificate.public_bytes(serialization.Encoding.PEM), 0o644, layout.root, layout.root_group
    )
    return certificate, key


def _subject(pem: bytes) -> str:
    return x509.load_pem_x509_certificate(pem).subject.rfc4514_string()


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key that the kit made")
    return key


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
