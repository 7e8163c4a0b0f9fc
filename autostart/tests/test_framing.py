"""Framing: what is accepted, what is refused, and that every split of the bytes gives the same result."""

from __future__ import annotations

import itertools

import pytest
from httptools import HttpParserError, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from greffier_autostart.framing import BadMessage, ChunkedBody, LengthBody
from greffier_autostart.heads import host_name, parse_request
from greffier_autostart.response import Response

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def encode_chunks(chunks: list[bytes]) -> bytes:
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(c), c) for c in chunks if c) + b"0\r\nX-Trailer: 1\r\n\r\n"


cut_places = st.lists(st.integers(0, 400), max_size=12)


@given(st.lists(st.binary(max_size=40), max_size=6), st.binary(max_size=20), cut_places)
def test_chunked_body_ends_at_the_same_byte_however_it_is_cut(
    chunks: list[bytes], extra: bytes, cuts: list[int]
) -> None:
    encoded = encode_chunks(chunks)
    body, taken = ChunkedBody(), 0
    for piece in pieces(encoded + extra, cuts):
        if not body.done:
            taken += body.consume(piece)
    assert body.done
    assert taken == len(encoded)


@given(st.binary(max_size=60), cut_places)
def test_chunked_body_accepts_nothing_that_llhttp_refuses(tail: bytes, cuts: list[int]) -> None:
    data = b"3\r\nabc\r\n" + tail
    body = ChunkedBody()
    try:
        for piece in pieces(data, cuts):
            if not body.done:
                body.consume(piece)
    except BadMessage:
        return
    if body.done:

        class Seen:
            complete = False

            def on_message_complete(self) -> None:
                self.complete = True

        seen = Seen()
        parser = HttpRequestParser(seen)
        try:
            parser.feed_data(CHUNKED + data)
        except HttpParserError:
            assert seen.complete  # it complains about what follows the message
        assert seen.complete


@pytest.mark.parametrize(
    "data",
    [
        b"3\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"\r\n",
        b"0x3\r\n",
        b" 3\r\n",
        b"3\r\nabc\n",
        b"f" * 16 + b"\r\n",
        b"1;" + b"a" * 5000,
        b"0\r\nA: b\n\r\n",
        b"+3\r\n",
        b"3 \r\nabc\r\n",
        b"3 ;a\r\nabc\r\n",
    ],
)
def test_bad_chunking(data: bytes) -> None:
    with pytest.raises(BadMessage):
        ChunkedBody().consume(data)


@given(st.binary(max_size=50), st.integers(0, 50), cut_places)
def test_length_body(data: bytes, length: int, cuts: list[int]) -> None:
    body = LengthBody(length)
    taken = sum(body.consume(piece) for piece in pieces(data, cuts))
    assert taken == min(length, len(data))
    assert body.done == (len(data) >= length)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n", 400),
        (b"Content-Length: -3\r\n", 400),
        (b"Content-Length: 3, 3\r\n", 400),
        (b"Content-Length : 3\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: \x0bchunked\r\n", 400),
        (b"X: a\r\n folded: b\r\n", 400),
        (b"X: a\nY: b\r\n", 400),
        (b"X: a\rY: b\r\n", 400),
        (b"X: a\0b\r\n", 400),
        (b"Host: b\r\n", 400),
    ],
)
def test_heads_that_could_smuggle_are_refused(lines: bytes, status: int) -> None:
    with pytest.raises(BadMessage) as caught:
        parse_request(HEAD + lines + b"\r\n")
    assert caught.value.status == status


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_requests_that_are_not_understood(raw: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_request(raw)


def test_what_a_head_says() -> None:
    head = parse_request(HEAD + b"Content-Length: 12\r\nconnection: foo, Close\r\n\r\n")
    assert (head.method, head.path, head.host, head.length, head.keep_alive) == (
        b"POST",
        "/v1/x",
        "a",
        12,
        False,
    )
    assert parse_request(b"GET /a?b=/c HTTP/1.0\r\nHost: a\r\n\r\n").keep_alive is False
    upgrade = parse_request(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert upgrade.upgrade and upgrade.keep_alive


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"Whisper.Example.ORG:8443", "whisper.example.org"),
        (b"a.", "a"),
        (b"[::1]:80", "[::1]"),
        (b"a:", "a"),
    ],
)
def test_host_name(header: bytes, name: str) -> None:
    assert host_name(header) == name


GET = parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + encode_chunks([b"abc", b"d" * 30]),
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
]


@given(st.sampled_from(ANSWERS), cut_places)
def test_answers_pass_unchanged_and_end_where_they_end(raw: bytes, cuts: list[int]) -> None:
    response = Response(GET)
    out = b""
    for piece in pieces(raw, cuts):
        assert not response.done
        out += response.feed(piece)
    assert out == raw
    assert response.done and response.keep_alive


def test_answers_with_special_ends() -> None:
    head = parse_request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    response = Response(head)
    response.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert response.done
    open_ended = Response(GET)
    open_ended.feed(b"HTTP/1.1 200 OK\r\n\r\nabc")
    assert not open_ended.done and not open_ended.keep_alive
    assert open_ended.eof()
    cut_off = Response(GET)
    cut_off.feed(ANSWERS[0][:-1])
    assert not cut_off.eof()
    too_much = Response(GET)
    assert too_much.feed(ANSWERS[0] + b"HTTP/1.1 200 OK\r\n") == ANSWERS[0]
    assert not too_much.keep_alive


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 000 Nothing\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000,
    ],
)
def test_answers_that_are_not_http(raw: bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        Response(GET).feed(raw)
    assert caught.value.status == 502
