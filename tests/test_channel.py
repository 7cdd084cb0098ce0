"""The pipe between engine and child."""

import json
import os
import socket
import tempfile
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import channel
from streamer.channel import MAX_BYTES, Channel


@pytest.fixture
def ends():
    ours, sock = channel.pair()
    theirs = Channel(sock)
    yield ours, theirs
    ours.close()
    theirs.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(header=st.dictionaries(st.text(max_size=8), json_values, max_size=5), body=st.binary(max_size=2000))
def test_any_header_and_body_arrive_as_sent(header, body):
    ours, sock = channel.pair()
    theirs = Channel(sock)
    try:
        assert ours.send(header, body)
        message = theirs.receive(1)
        assert message.header == header
        assert message.body == body
        assert message.fds == ()
    finally:
        ours.close()
        theirs.close()


def test_borders_and_order_are_kept(ends):
    ours, theirs = ends
    for n in range(50):
        assert ours.send({"n": n}, b"\n" * n)
    messages = theirs.drain()
    assert [message.header["n"] for message in messages] == list(range(50))
    assert [len(message.body) for message in messages] == list(range(50))
    assert theirs.drain() == []
    assert not theirs.closed


def test_descriptors_travel_and_are_not_inherited(ends):
    ours, theirs = ends
    with tempfile.TemporaryFile() as file:
        file.write(b"pixels")
        file.flush()
        assert ours.send({"op": "pool"}, fds=(file.fileno(), file.fileno()))
    message = theirs.receive(1)
    assert len(message.fds) == 2
    for fd in message.fds:
        assert os.pread(fd, 10, 0) == b"pixels"
        assert not os.get_inheritable(fd)
        os.close(fd)


def test_a_full_buffer_is_told_and_loses_only_that_message(ends):
    ours, theirs = ends
    sent = 0
    while ours.send({"n": sent}, bytes(50_000)):
        sent += 1
        assert sent < 1000
    assert sent >= 1
    assert not ours.closed
    assert [message.header["n"] for message in theirs.drain()] == list(range(sent))
    assert ours.send({"n": "again"})


def test_the_longest_message_fits_the_default_buffer(ends):
    ours, theirs = ends
    body = bytes(MAX_BYTES - len(json.dumps({}, separators=(",", ":"))) - 1)
    assert ours.send({}, body)
    assert theirs.receive(1).body == body
    with pytest.raises(ValueError, match="over the limit"):
        ours.send({}, body + b"x")
    with pytest.raises(ValueError, match="over the limit"):
        ours.send({}, fds=[0] * 65)


def test_end_of_file(ends):
    ours, theirs = ends
    ours.send({"last": True})
    ours.close()
    assert theirs.receive(1).header == {"last": True}
    assert theirs.receive(1) is None
    assert theirs.closed
    assert theirs.fault == ""
    assert theirs.receive() is None
    assert theirs.drain() == []


def test_drain_sets_closed_and_keeps_the_last_messages(ends):
    ours, theirs = ends
    ours.send({"last": True})
    ours.close()
    assert [message.header for message in theirs.drain()] == [{"last": True}]
    assert theirs.closed


def test_sending_to_a_closed_peer_is_false(ends):
    ours, theirs = ends
    theirs.close()
    assert ours.send({"op": "x"}) is False
    assert ours.closed
    assert ours.send({"op": "x"}) is False


def test_receive_times_out(ends):
    _, theirs = ends
    with pytest.raises(TimeoutError):
        theirs.receive(0)
    with pytest.raises(TimeoutError):
        theirs.receive(0.001)
    assert not theirs.closed


def test_receive_waits_for_another_thread(ends):
    ours, theirs = ends
    thread = threading.Thread(target=ours.send, args=({"op": "late"},))
    thread.start()
    assert theirs.receive(5).header == {"op": "late"}
    thread.join()


@pytest.mark.parametrize(
    "raw",
    [b"no header at all", b"[1]\n", b'"text"\n', b"{\n", b"\xff\xfe\n", b"[" * 50_000 + b"\n"],
    ids=["no newline", "list", "text", "cut", "not utf-8", "deeply nested"],
)
def test_what_is_no_message_closes_the_channel_and_says_why(raw):
    ours, sock = channel.pair()
    try:
        sock.send(raw)
        assert ours.drain() == []
        assert ours.closed
        assert f"{len(raw)} bytes" in ours.fault
    finally:
        ours.close()
        sock.close()


def test_an_oversized_message_closes_the_channel(ends):
    ours, sock = channel.pair()
    try:
        sock.send(b"{}\n" + bytes(MAX_BYTES))
        assert ours.receive(1) is None
        assert ours.fault
    finally:
        ours.close()
        sock.close()


def test_descriptors_of_a_refused_message_are_closed():
    ours, sock = channel.pair()
    read_end, write_end = os.pipe()
    try:
        socket.send_fds(sock, [b"garbage"], [write_end])
        os.close(write_end)
        assert ours.drain() == []
        # the pipe's last writer is gone only if the received copy was closed
        assert os.read(read_end, 1) == b""
    finally:
        ours.close()
        sock.close()
        os.close(read_end)


def test_a_flood_is_drained_in_bounded_portions(ends):
    ours, theirs = ends
    sent = 0
    while sent < 300 and ours.send({}):
        sent += 1
    first = theirs.drain()
    assert len(first) <= 256
    assert len(first) + len(theirs.drain()) == sent


def test_from_fd():
    ours, sock = channel.pair()
    theirs = channel.from_fd(sock.detach())
    try:
        assert theirs.fileno() >= 0
        theirs.send({"op": "hello"})
        assert ours.receive(1).header == {"op": "hello"}
    finally:
        ours.close()
        theirs.close()
    assert theirs.fileno() == -1
    assert theirs.send({"op": "hello"}) is False


def test_headers_that_repeat_keep_their_own_bodies_and_types(ends):
    ours, theirs = ends
    for header, body in [({"n": 1}, b"a"), ({"n": 1}, b"b"), ({"n": True}, b"c"), ({"n": 1.0}, b"d"), ({"n": 1}, b"")]:
        assert ours.send(header, body)
        message = theirs.receive(1)
        assert (message.header, type(message.header["n"]), message.body) == (header, type(header["n"]), body)
