import select
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import SourceError
from streamer.sources import wire as wire_module
from streamer.sources.wire import Wire, connect
from tests.sources.media import interleaved


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 20_000))
    yield ours, theirs
    ours.close()
    theirs.close()


def wire_to(sock):
    got = []

    def take(data, at, after, end):
        assert end >= after
        got.append((data[at + 1], bytes(data[at + 4 : after])))
        return after

    return Wire(sock, take), got


def read_all(wire):
    while True:
        wire.read()


def test_media_and_replies_mixed_and_cut_anywhere(ends):
    ours, theirs = ends
    wire, got = wire_to(ours)
    stream = (
        interleaved(b"one") + b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody" + interleaved(b"two", 5)
    )
    for i in range(len(stream)):
        theirs.sendall(stream[i : i + 1])
        wire.read()
    assert got == [(0, b"one"), (5, b"two")]
    (reply,) = wire.replies
    assert (reply.status, reply.reason, reply.get("cseq"), reply.body) == (200, "OK", "3", "body")
    assert wire.bytes_received == len(stream)


def test_a_camera_that_speaks_first_is_read_over(ends):
    ours, theirs = ends
    wire, got = wire_to(ours)
    theirs.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" + interleaved(b"x"))
    wire.read()
    assert wire.replies == []
    assert got == [(0, b"x")]


def test_much_data_pass_through_the_buffer_in_order(ends, monkeypatch):
    monkeypatch.setattr(wire_module, "_BUFFER_BYTES", 4096)
    ours, theirs = ends
    wire, got = wire_to(ours)
    packets = [bytes([i % 256]) * (i % 1500) for i in range(200)]
    for packet in packets:
        theirs.sendall(interleaved(packet))
        wire.read()
    assert [packet for _, packet in got] == packets


@pytest.mark.e2e
def test_data_are_dated_by_the_kernel_not_by_their_reading():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = connect("127.0.0.1", server.getsockname()[1], 5.0)
        theirs, _ = server.accept()
        with ours, theirs:
            wire, got = wire_to(ours)
            theirs.sendall(interleaved(b"x"))
            sent_at = time.monotonic()
            select.select([ours], [], [])
            while time.monotonic() - sent_at < 0.1:  # busy with something else
                pass
            wire.read()
            assert got == [(0, b"x")]
            assert wire.read_at == pytest.approx(sent_at, abs=0.05)


def test_a_stamp_that_cannot_be_is_not_believed():
    now = time.monotonic()
    for ago_s in (-5.0, 3600.0):
        stamp = struct.pack("@qq", int(time.time() - ago_s), 0)
        assert wire_module._monotonic([(socket.SOL_SOCKET, 35, stamp)]) == pytest.approx(now, abs=0.5)
    assert wire_module._monotonic([]) == pytest.approx(now, abs=0.5)
    assert wire_module._monotonic([(socket.SOL_SOCKET, 35, b"short")]) == pytest.approx(now, abs=0.5)


def test_silence_returns_and_says_that_it_waited(ends):
    ours, theirs = ends
    wire, _ = wire_to(ours)
    assert not wire.read()
    assert wire.waited
    theirs.sendall(interleaved(b"x"))
    assert wire.read()


def test_a_full_buffer_says_that_we_are_late(ends, monkeypatch):
    monkeypatch.setattr(wire_module, "_BUFFER_BYTES", 1024)
    ours, theirs = ends
    wire, _ = wire_to(ours)
    theirs.sendall(interleaved(b"x" * 600) * 4)
    wire.read()
    assert not wire.waited


def test_the_end_is_an_error(ends):
    ours, theirs = ends
    wire, _ = wire_to(ours)
    theirs.close()
    with pytest.raises(SourceError, match="closed the connection") as caught:
        wire.read()
    assert caught.value.cause == "ended"
    with pytest.raises(SourceError, match="connection lost"):
        wire.send("x" * 10)


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff\xfe\xfd\xfc", b"x" * 20_000, b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"],
)
def test_nonsense_is_refused_and_bounded(ends, nonsense):
    ours, theirs = ends
    wire, _ = wire_to(ours)
    theirs.sendall(nonsense)
    with pytest.raises(SourceError) as caught:
        read_all(wire)
    assert caught.value.cause == "corrupt"


@given(st.binary(max_size=300))
def test_any_bytes_end_well(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire, got = wire_to(ours)
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(SourceError):
            read_all(wire)
        assert sum(len(packet) + 4 for _, packet in got) <= len(data)


def test_connection_refused(free_ports):
    with pytest.raises(SourceError) as caught:
        connect("127.0.0.1", free_ports(1)[0], 2)
    assert caught.value.cause == "refused"


def test_unknown_name():
    with pytest.raises(SourceError) as caught:
        connect("no-such-camera.invalid", 554, 2)
    assert caught.value.cause == "dns"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TimeoutError(), "unreachable"),
        (OSError(113, "No route to host"), "unreachable"),
        (OSError(99, "odd"), "unknown"),
    ],
)
def test_other_failures_to_connect(monkeypatch, error, cause):
    class Failing(socket.socket):
        def connect(self, address):
            raise error

    monkeypatch.setattr(socket, "socket", Failing)
    with pytest.raises(SourceError, match=r"10\.0\.0\.9:554") as caught:
        connect("10.0.0.9", 554, 2)
    assert caught.value.cause == cause


def test_a_name_server_that_never_answers_does_not_hang_the_camera(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [answered.wait(20)])
    with pytest.raises(SourceError, match="no answer from the name server") as caught:
        connect("gate.example", 554, 0.05)
    answered.set()
    assert caught.value.cause == "dns"


def test_every_address_of_a_host_is_tried(monkeypatch, free_ports):
    server = socket.create_server(("127.0.0.1", 0))
    dead, alive = ("127.0.0.1", free_ports(1)[0]), server.getsockname()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (dead, alive)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    sock = connect("gate.example", 554, 5)
    assert sock.getpeername() == alive
    sock.close()
    server.close()


def test_a_host_without_any_address(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [])
    with pytest.raises(SourceError, match="has no address"):
        connect("gate.example", 554, 5)


def test_a_name_that_cannot_be_one():
    with pytest.raises(SourceError) as caught:
        connect("a" * 80 + ".example", 554, 5)
    assert caught.value.cause == "dns"
