"""What of a head goes on, and what is between two neighbours only."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_autostart.framing import BadMessage
from greffier_autostart.heads import parse_request
from greffier_autostart.response import Response
from greffier_autostart.websocket import RESTART, Frames, farewell

HOST = b"Host: a\r\n"
GET = parse_request(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
OLD = parse_request(b"GET / HTTP/1.0\r\n" + HOST + b"\r\n")
LAST = parse_request(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
EXPECTING = parse_request(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n")
HANDSHAKE = b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: %s\r\nUpgrade: %s\r\n\r\n"


def fields(raw: bytes) -> list[bytes]:
    return raw.removesuffix(b"\r\n\r\n").split(b"\r\n")


def test_a_usual_head_goes_on_as_it_came() -> None:
    raw = b"POST /v1/x HTTP/1.1\r\nhost:  a \r\nX-Odd:\t\xe9\r\nContent-Length: 3\r\n\r\n"
    assert parse_request(raw).raw == raw


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: close\r\n",
        b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n",
        b"Proxy-Connection: keep-alive\r\n",
        b"TE: trailers\r\nConnection: TE\r\n",
        b"connection: x-mine , X-Yours\r\nX-Mine: 1\r\nx-yours: 2\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    ],
)
def test_what_is_for_the_next_one_only_does_not_go_on(lines: bytes) -> None:
    head = parse_request(b"GET / HTTP/1.1\r\nA: b\r\n" + HOST + lines + b"C: d\r\n\r\n")
    assert fields(head.raw) == [b"GET / HTTP/1.1", b"Host: a", b"A: b", b"C: d"]
    assert not head.upgrade


def test_connection_cannot_take_away_where_a_message_goes_and_ends() -> None:
    raw = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: host, content-length\r\nContent-Length: 3\r\n\r\n"
    assert fields(parse_request(raw).raw) == [b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 3"]


@pytest.mark.parametrize(
    ("target", "host", "first"),
    [
        (b"http://b.org/x?y=1", "b.org", b"GET /x?y=1 HTTP/1.1"),
        (b"HTTPS://B.org:8443?y", "b.org", b"GET /?y HTTP/1.1"),
        (b"http://b.org", "b.org", b"GET / HTTP/1.1"),
    ],
)
def test_a_target_with_a_host_overrules_the_header(target: bytes, host: str, first: bytes) -> None:
    head = parse_request(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"A: b\r\n\r\n")
    assert head.host == host and head.path == first.split()[1].partition(b"?")[0].decode()
    assert fields(head.raw) == [first, b"Host: " + target.split(b"/")[2].partition(b"?")[0], b"A: b"]


def test_what_asks_for_the_whole_server() -> None:
    for raw in (b"OPTIONS * HTTP/1.1\r\n", b"OPTIONS http://a HTTP/1.1\r\n"):
        assert parse_request(raw + HOST + b"\r\n").target == b"*"


@pytest.mark.parametrize(
    ("raw", "is_one"),
    [
        (HANDSHAKE % (b"Upgrade", b"websocket"), True),
        (HANDSHAKE % (b"keep-alive, upgrade", b"WebSocket"), True),
        (HANDSHAKE % (b"keep-alive", b"websocket"), False),
        (HANDSHAKE % (b"Upgrade", b"h2c"), False),
        (HANDSHAKE % (b"Upgrade", b"websocket, h2c"), False),
        (HANDSHAKE.replace(b"GET", b"POST") % (b"Upgrade", b"websocket"), False),
        (HANDSHAKE.replace(b"1.1", b"1.0") % (b"Upgrade", b"websocket"), False),
        (
            HANDSHAKE.replace(b"Upgrade:", b"Content-Length: 3\r\nUpgrade:") % (b"Upgrade", b"websocket"),
            False,
        ),
        (
            HANDSHAKE.replace(b"Upgrade:", b"Transfer-Encoding: chunked\r\nUpgrade:") % (b"Upgrade", b"websocket"),
            False,
        ),
    ],
)
def test_the_only_upgrade_is_to_a_websocket(raw: bytes, is_one: bool) -> None:
    head = parse_request(raw)
    assert head.upgrade is is_one
    assert (b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head.raw) is is_one
    assert (b"pgrade" in head.raw) is is_one


@pytest.mark.parametrize("interim", [b"103 Early Hints", b"102 Processing", b"100 Continue", b"199 Odd"])
@given(cuts=st.lists(st.integers(0, 120), max_size=6))
def test_an_interim_answer_goes_on_to_nobody_who_did_not_ask(interim: bytes, cuts: list[int]) -> None:
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    raw = b"HTTP/1.1 " + interim + b"\r\nLink: x\r\nSet-Cookie: a=b\r\n\r\n"
    places = sorted({min(cut, len(raw + final)) for cut in cuts} | {0, len(raw + final)})
    response = Response(GET)
    assert b"".join(response.feed((raw + final)[a:b]) for a, b in itertools.pairwise(places)) == final
    assert response.done and response.keep_alive


def test_continue_goes_on_to_who_waits_for_it() -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\n"
    response = Response(EXPECTING)
    assert response.feed(raw) == raw
    final = b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    assert response.feed(b"".join(final)) == final[1]


@pytest.mark.parametrize(
    ("raw", "out", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", b"Content-Length: 0", False),
        (
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=9\r\nX-Mine: 1\r\n"
            b"Content-Length: 0\r\n\r\n",
            b"Content-Length: 0",
            True,
        ),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", b"Content-Length: 0", False),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            b"Content-Length: 0",
            True,
        ),
    ],
)
def test_what_an_answer_says_to_its_neighbour_does_not_go_on(raw: bytes, out: bytes, kept: bool) -> None:
    response = Response(GET)
    assert response.feed(raw) == b"HTTP/1.1 200 OK\r\n" + out + b"\r\n\r\n"
    assert response.done and response.keep_alive is kept and not response.close


def test_the_last_answer_of_a_connection_says_so() -> None:
    for head in (LAST, OLD):
        response = Response(head)
        assert b"\r\nConnection: close\r\n" in response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert response.keep_alive  # the service did not mind
    endless = Response(GET)
    assert endless.feed(b"HTTP/1.0 200 OK\r\n\r\nabc") == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"
    assert endless.open_ended and not endless.keep_alive


def test_an_answer_in_chunks_is_nothing_for_http_1_0() -> None:
    with pytest.raises(BadMessage) as caught:
        Response(OLD).feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert caught.value.status == 502


def test_only_a_websocket_may_be_switched_to() -> None:
    asked = parse_request(HANDSHAKE % (b"Upgrade", b"websocket"))
    response = Response(asked)
    out = response.feed(b"HTTP/1.1 101 Yes\r\nUpgrade: WebSocket\r\nX: y\r\nConnection: upgrade\r\n\r\nfirst")
    assert fields(out.partition(b"first")[0]) == [
        b"HTTP/1.1 101 Yes",
        b"X: y",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
    ]
    assert response.tunnel and response.beyond == b"first"
    with pytest.raises(BadMessage):
        Response(asked).feed(b"HTTP/1.1 101 Yes\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")


def test_whose_websocket_it_is_is_said_to_nobody_else() -> None:
    raw = (HANDSHAKE % (b"Upgrade", b"websocket")).replace(HOST, HOST + b"X-Greffier-User: anna\r\n")
    head = parse_request(raw)
    assert head.user == "anna" and b"anna" not in head.raw


def frame(size: int, opcode: int = 1, mask: bool = False) -> bytes:
    short = min(size, 126 if size < 1 << 16 else 127) if size > 125 else size
    longer = size.to_bytes(2 if short == 126 else 8) if size > 125 else b""
    return bytes((0x80 | opcode, short | (0x80 if mask else 0))) + longer + b"mask" * mask + b"x" * size


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 125, 126, 300, 70_000]), st.booleans()), max_size=4),
    st.lists(st.integers(0, 140_000), max_size=6),
)
def test_frames_are_followed_however_they_are_cut(sizes: list[tuple[int, bool]], cuts: list[int]) -> None:
    data = b"".join(frame(size, mask=mask) for size, mask in sizes)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    frames = Frames()
    ends = {0, *itertools.accumulate(len(frame(size, mask=mask)) for size, mask in sizes)}
    for a, b in itertools.pairwise(places):
        frames.follow(data[a:b])
        assert frames.between is (b in ends)
    assert not frames.closed


def test_farewell() -> None:
    said = farewell(RESTART, "whisper is being restarted")
    assert said[:4] == b"\x88\x1c\x03\xf4" and said[4:] == b"whisper is being restarted"
    frames = Frames()
    frames.follow(said)
    assert frames.closed and frames.between
