"""Files by URL, from real servers on loopback: what is fetched, refused, and what a hostile one can do."""

import asyncio
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import assume, given
from hypothesis import strategies as st

from stt_core import errors
from stt_core.errors import StartError, TooLarge
from stt_core.fetch import addresses
from stt_core.fetch.addresses import Hosts, hosts
from stt_core.fetch.fetcher import REDIRECTS, Fetcher, Limits, Resolver, Unfetched
from stt_core.settings import from_environment
from stt_testing.site import Page, Site, page, site

SIZE = 300_000
FILE = bytes(range(256)) * 400
HERE = hosts("127.0.0.1")
USUAL = Limits(SIZE)


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(65_536))


def silent(request: BaseHTTPRequestHandler) -> None:
    request.rfile.read(1)  # until the client has left


def dripping(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b".")
        time.sleep(0.01)


def broken(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-length", "100")
    request.end_headers()
    request.wfile.write(b"less")


def no_http(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"220 mail.example.org ESMTP\r\n")


def to(target: str) -> Page:
    """A redirect; {port} is the site's own."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        port = request.connection.getsockname()[1]
        page(status=302, location=target.format(port=port))(request)

    return answer


PAGES: dict[str, Page] = {
    "/talk.wav": page(FILE),
    "/relative": to("talk.wav?again=secret"),
    "/elsewhere": to("http://other.test:{port}/talk.wav"),
    "/loop": to("/loop"),
    "/nowhere": to("//example.org:port/"),
    "/file": to("file:///etc/hostname"),
    "/inside": to("http://127.0.0.9:{port}/talk.wav"),
    "/metadata": to("http://169.254.169.254/latest/meta-data"),
    "/inside-by-name": to("http://inside.test:{port}/talk.wav"),
    "/gone": page(b"secret", status=404),
    "/down": page(status=503),
    "/packed": page(b"x", content_encoding="gzip"),
    "/article": page(b"<p>", content_type="text/html; charset=utf-8"),
    "/large": page(bytes(SIZE + 1)),
    "/endless": endless,
    "/silent": silent,
    "/dripping": dripping,
    "/broken": broken,
    "/mail": no_http,
}


@pytest.fixture(scope="module")
def here() -> Iterator[Site]:
    with site(PAGES) as running:
        yield running


def names(table: Mapping[str, Sequence[str]]) -> Resolver:
    """A resolver whose answer to a name is the next of its addresses each time."""
    left = {name: iter(addresses) for name, addresses in table.items()}

    async def resolve(name: str, port: int) -> list[str]:
        return [next(left[name])]

    return resolve


def fetched(url: str, open: Hosts = HERE, limits: Limits = USUAL, **given: Any) -> bytes:
    async def fetch() -> bytes:
        with await Fetcher(limits, open, **given).file(url) as file:
            file.seek(0)
            return file.read()

    return asyncio.run(fetch())


def refused(url: str, **given: Any) -> Unfetched:
    with pytest.raises(Unfetched) as caught:
        fetched(url, **given)
    assert caught.value.param == "url" and caught.value.status == 400
    assert caught.value.message.endswith(".") and "secret" not in caught.value.message
    return caught.value


def again(error: errors.ApiError) -> bool:
    return errors.headers(error)["x-should-retry"] == "true"


def test_a_file_is_fetched_and_its_secrets_are_not_logged(here: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    url = f"http://us%40er:secret@media.test:{here.port}/talk.wav?key=secret"
    assert fetched(url, resolve=names({"media.test": ["127.0.0.1"]})) == FILE
    path, headers = here.asked[-1]
    assert path == "/talk.wav?key=secret"
    assert headers["host"] == f"media.test:{here.port}"
    assert headers["authorization"] == "Basic dXNAZXI6c2VjcmV0"
    assert "http://media.test" in caplog.text
    assert "secret" not in caplog.text and "talk" not in caplog.text


def test_redirects_are_followed_and_take_no_password_elsewhere(here: Site) -> None:
    resolve = names({"media.test": ["127.0.0.1"] * 3, "other.test": ["127.0.0.1"]})
    assert fetched(f"http://u:secret@media.test:{here.port}/relative", resolve=resolve) == FILE
    assert here.asked[-1][0] == "/talk.wav?again=secret" and "authorization" in here.asked[-1][1]
    assert fetched(f"http://u:secret@media.test:{here.port}/elsewhere", resolve=resolve) == FILE
    assert "authorization" not in here.asked[-1][1]


def test_a_name_is_resolved_once_and_that_address_connected_to(here: Site) -> None:
    resolve = names({"media.test": ["127.0.0.1", "10.0.0.1"]})
    assert fetched(f"http://media.test:{here.port}/talk.wav", resolve=resolve) == FILE
    assert "not public" in refused(f"http://media.test:{here.port}/talk.wav", resolve=resolve).message


def test_a_second_address_is_tried_where_the_first_does_not_answer(here: Site) -> None:
    async def resolve(name: str, port: int) -> list[str]:
        return ["10.0.0.1", "::1", "127.0.0.1"]

    open = hosts("127.0.0.1, ::1")
    assert fetched(f"http://media.test:{here.port}/talk.wav", open, resolve=resolve) == FILE


@pytest.mark.parametrize(
    "path", ["loop", "nowhere", "file", "inside", "metadata", "inside-by-name", "packed", "article", "gone"]
)
def test_where_a_redirect_leads_and_what_comes_is_checked(here: Site, path: str) -> None:
    resolve = names({"media.test": ["127.0.0.1"] * (REDIRECTS + 1), "inside.test": ["10.0.0.1"]})
    before = len(here.asked)

    async def either(name: str, port: int) -> Sequence[str]:
        return [name] if name[0].isdigit() else await resolve(name, port)

    error = refused(f"http://media.test:{here.port}/{path}", resolve=either)
    assert not again(error)
    assert len(here.asked) - before == (REDIRECTS + 1 if path == "loop" else 1)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0.0.0.0", "10.1.2.3"),
        *("169.254.169.254", "168.63.129.16", "user@127.0.0.1", "93.184.216.34\\@127.0.0.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("[fe80::1]", "[fd00:ec2::254]"),
    ],
)
def test_no_spelling_leads_inside(host: str) -> None:
    assert "not public" in refused(f"http://{host}/", open=Hosts()).message


def test_ports_are_the_webs() -> None:
    async def anywhere(name: str, port: int) -> list[str]:
        return ["93.184.216.34"]

    assert "not public" in refused("http://mail.example.org:25/", resolve=anywhere).message


@pytest.mark.parametrize(
    "url",
    [
        "talk.wav",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "http://",
        "//example.org/",
        "http://example.org:0/",
        "http://a\r\nb/",
        "http://①②⑦.0.0.1/",
        "https://example.org/" + "a" * 8000,
    ],
)
def test_what_is_no_url_of_a_file(url: str) -> None:
    assert not again(refused(url))


def test_names_in_other_scripts_are_resolved_as_they_are_registered(here: Site) -> None:
    url = f"http://BÜCHER.test:{here.port}/talk.wav"
    assert fetched(url, resolve=names({"xn--bcher-kva.test": ["127.0.0.1"]})) == FILE
    assert fetched(url, hosts("xn--bcher-kva.test"), resolve=names({"xn--bcher-kva.test": ["127.0.0.1"]}))


def test_a_file_that_is_too_large_is_told_as_soon_as_that_is_known(here: Site) -> None:
    for path in ("large", "endless"):
        with pytest.raises(TooLarge) as caught:
            fetched(f"http://127.0.0.1:{here.port}/{path}")
        assert caught.value.param == "url" and str(SIZE) in caught.value.message


@pytest.mark.parametrize(
    ("path", "limits", "said", "helps"),
    [
        ("silent", Limits(SIZE, idle=0.2), "in time", True),
        ("dripping", Limits(SIZE, whole=0.3), "within 0.3 s", False),
        ("broken", Limits(SIZE), "broke off", True),
        ("mail", Limits(SIZE), "broke off", True),
        ("down", Limits(SIZE), "503", True),
    ],
)
def test_a_server_that_fails(here: Site, path: str, limits: Limits, said: str, helps: bool) -> None:
    error = refused(f"http://127.0.0.1:{here.port}/{path}", limits=limits)
    assert said in error.message and again(error) == helps


def test_nobody_there() -> None:
    with site({}) as closed:
        pass
    assert again(refused(f"http://127.0.0.1:{closed.port}/"))

    async def unknown(name: str, port: int) -> list[str]:
        raise socket.gaierror

    assert "cannot be found" in refused("http://media.test/", resolve=unknown).message
    assert "cannot be found" in refused(f"http://{'a' * 64}.test/").message


def test_certificates_are_checked_unless_a_setting_says_otherwise() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("media.test").configure_cert(context)
    with site({"/": page(FILE)}, context=context) as tls:
        url = f"https://media.test:{tls.port}/"
        error = refused(url, resolve=names({"media.test": ["127.0.0.1"]}))
        assert "certificate" in error.message and "STT_URL_INSECURE" in error.message and not again(error)
        for insecure in ("media.test", "127.0.0.0/8"):
            resolve = names({"media.test": ["127.0.0.1"]})
            assert fetched(url, resolve=resolve, insecure=hosts(insecure)) == FILE
        refused(url, resolve=names({"media.test": ["127.0.0.1"]}), insecure=hosts("other.test"))


def test_a_trusted_certificate_is_that_of_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("media.test").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    resolve = names({"media.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]})
    with site({"/": page(FILE)}, context=context) as tls:
        assert fetched(f"https://media.test:{tls.port}/", resolve=resolve) == FILE
        assert "certificate" in refused(f"https://other.test:{tls.port}/", resolve=resolve).message


def test_an_authority_of_its_own_vouches_for_what_it_has_signed(tmp_path: Path) -> None:
    """However it is set, nothing else is believed, and names still count."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pbx.test").configure_cert(context)
    pem = authority.cert_pem.bytes().decode()
    (tmp_path / "ca.pem").write_text(pem)
    line = "".join(pem.splitlines()[1:-1])

    def resolve() -> Resolver:
        return names({"pbx.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]})

    with site({"/": page(FILE)}, context=context) as tls:
        url = f"https://pbx.test:{tls.port}/"
        for text in (pem, line, str(tmp_path / "ca.pem")):
            told = from_environment({"STT_URL_AUTHORITY": text}).url_authority
            assert fetched(url, resolve=resolve(), authority=told) == FILE
        assert "STT_URL_AUTHORITY" in refused(url, resolve=resolve()).message
        other = trustme.CA().cert_pem.bytes().decode()
        refused(url, resolve=resolve(), authority=other)
        assert "certificate" in refused(f"https://other.test:{tls.port}/", resolve=resolve(), authority=pem).message


@pytest.mark.parametrize("text", ["/nowhere/ca.pem", "not base64!", "QUJD", "-----BEGIN CERTIFICATE-----\nx"])
def test_what_is_no_authority_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(StartError, match="STT_URL_AUTHORITY"):
        from_environment({"STT_URL_AUTHORITY": text})


@given(st.ip_addresses(v=4))
def test_closed_ipv4_is_closed_in_every_form(address: ipaddress.IPv4Address) -> None:
    forms = [f"::ffff:{address}", f"64:ff9b::{address}"]
    assert all(addresses.address(form) == address for form in forms)
    closed = not address.is_global or address.is_multicast or address.is_reserved
    assert not (addresses.public(address) and closed)
    assert not addresses.public(ipaddress.IPv6Address((0x2002 << 112) | int(address) << 80))
    assert not addresses.public(ipaddress.IPv6Address(int(address)))


@given(st.ip_addresses(v=6))
def test_closed_ipv6_is_closed(address: ipaddress.IPv6Address) -> None:
    closed = not address.is_global or address.is_multicast or address.is_reserved or address.is_site_local
    assert not (addresses.public(address) and closed)
    assert not (addresses.public(address) and (address.sixtofour or address.teredo or address.ipv4_mapped))


@given(st.ip_addresses(), st.data())
def test_an_allowed_network_is_open_and_nothing_beside_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, data: st.DataObject
) -> None:
    assume(addresses.address(str(address)) == address)
    prefix = data.draw(st.integers(0, address.max_prefixlen))
    network = ipaddress.ip_network((address, prefix), strict=False)
    other = data.draw(st.ip_addresses())
    extra = hosts(f"media.lan, {network}")
    assert addresses.allowed("x.test", 25, [str(address)], extra) == [str(address)]
    assert addresses.allowed("Media.LAN.", 25, [str(other)], extra) == [str(other)]
    if addresses.address(str(other)) not in network:
        assert addresses.allowed("x.test", 25, [str(other)], extra) == []


@pytest.mark.parametrize("text", ["http://media.lan", "media.lan:80", "10.0.0.1/8", "300.1.2.3", "*.lan", "a b"])
def test_a_wrong_allow_list_is_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="no host name, address or network"):
        hosts(text)
