"""The parser against whole, cut, joined and broken input."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.simulator.message import LIMIT, Interleaved, MessageError, Parser, Request, response

OPTIONS = b"OPTIONS rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: a: b\r\n\r\n"
SET = b"SET_PARAMETER rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 4\r\n\r\nping"
REPORT = b"$\x01\x00\x05hello"
STREAM = OPTIONS + REPORT + b"\r\n" + SET + REPORT
WANTED = [
    Request("OPTIONS", "rtsp://h/cam", {"cseq": "1", "user-agent": "a: b"}),
    Interleaved(1, b"hello"),
    Request("SET_PARAMETER", "rtsp://h/cam", {"cseq": "2", "content-length": "4"}, b"ping"),
    Interleaved(1, b"hello"),
]


def test_joined() -> None:
    assert Parser().feed(STREAM) == WANTED


@given(st.lists(st.integers(1, len(STREAM)), max_size=30))
def test_cut_anywhere(cuts: list[int]) -> None:
    parser, found, last = Parser(), [], 0
    for cut in [*sorted(cuts), len(STREAM)]:
        found += parser.feed(STREAM[last:cut])
        last = cut
    assert found == WANTED


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not RTSP"),
        (b"HELLO\r\n\r\n", "not RTSP"),
        (b"OPTIONS * RTSP/1.0\r\nno colon here\r\n\r\n", "no colon"),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: -4\r\n\r\n", "content length"),
        (b"OPTIONS * RTSP/1.0\r\nContent-Length: 9999999\r\n\r\n", "content length"),
        (b"x" * (LIMIT + 1), "more than"),
    ],
)
def test_rubbish(data: bytes, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        Parser().feed(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(MessageError):
        Parser().feed(data)


def test_response() -> None:
    text = response(401, "7", {"WWW-Authenticate": ["Digest a", "Basic b"], "X": "y"}, b"body")
    assert text == (
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 7\r\nWWW-Authenticate: Digest a\r\nWWW-Authenticate: Basic b\r\n"
        b"X: y\r\nContent-Length: 4\r\n\r\nbody"
    )
    assert response(200, None, {}) == b"RTSP/1.0 200 OK\r\n\r\n"
