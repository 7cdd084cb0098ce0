"""Outlets: begin at a keyframe, leave out whole pictures for slow clients, count everything."""

from __future__ import annotations

import asyncio
import socket

from streamer.simulator.outlet import LIMIT, Datagrams, Interleave, Outlet
from streamer.simulator.reel import Reel
from streamer.simulator.rtp import Burst
from streamer.simulator.wire import Wire


class FakeWay:
    """Remembers what is sent; `pending` is set by the test."""

    def __init__(self) -> None:
        self.pending = 0
        self.sent: list[bytes] = []
        self.control: list[bytes] = []

    def send(self, burst: Burst) -> None:
        self.sent.append(bytes(burst.buffer))

    def send_control(self, packet: bytes) -> None:
        self.control.append(packet)


def _offer(outlet: Outlet, reel: Reel, numbers: range) -> None:
    for number in numbers:
        unit = reel.units[number]
        outlet.offer(unit.burst, unit.key)


def test_begins_with_a_keyframe(reel: Reel) -> None:
    way = FakeWay()
    outlet = Outlet(way)
    _offer(outlet, reel, range(3, 8))
    assert way.sent == [bytes(reel.units[n].burst.buffer) for n in (5, 6, 7)]
    assert outlet.dropped == 0, "waiting at the start is no loss"
    assert outlet.packets == sum(len(reel.units[n].burst.offsets) for n in (5, 6, 7))
    assert outlet.octets == sum(reel.units[n].burst.octets for n in (5, 6, 7))


def test_a_slow_client_loses_whole_pictures_up_to_a_keyframe(reel: Reel) -> None:
    way = FakeWay()
    outlet = Outlet(way)
    _offer(outlet, reel, range(0, 7))
    way.pending = LIMIT + 1
    _offer(outlet, reel, range(7, 9))
    way.pending = 0
    _offer(outlet, reel, range(9, 12))
    assert way.sent == [bytes(reel.units[n].burst.buffer) for n in (*range(7), 10, 11)]
    assert outlet.dropped == 3


def test_it_does_not_begin_again_while_much_is_waiting(reel: Reel) -> None:
    way = FakeWay()
    outlet = Outlet(way)
    _offer(outlet, reel, range(0, 4))
    way.pending = LIMIT + 1
    _offer(outlet, reel, range(4, 5))
    way.pending = LIMIT // 2 + 1
    _offer(outlet, reel, range(5, 10))
    assert len(way.sent) == 4
    way.pending = LIMIT // 2
    _offer(outlet, reel, range(10, 11))
    assert len(way.sent) == 5
    assert outlet.dropped == 6


async def test_a_client_that_never_reads_costs_bounded_memory(reel: Reel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    wire = Wire(near, lambda data: None, lambda: None)
    outlet = Outlet(Interleave(wire, 0, 1))
    largest = 0
    for _ in range(60):
        for unit in reel.units:
            outlet.offer(unit.burst, unit.key)
        largest = max(largest, wire.pending)
    total = 60 * sum(len(unit.burst.buffer) for unit in reel.units)
    biggest = max(len(unit.burst.buffer) for unit in reel.units)
    assert total > 4 * LIMIT
    assert largest <= LIMIT + biggest
    assert outlet.dropped > 100
    wire.abort()
    far.close()


async def test_interleave_addresses_its_channel(reel: Reel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    wire = Wire(near, lambda data: None, lambda: None)
    way = Interleave(wire, 6, 7)
    burst = reel.units[1].burst
    way.send(burst)
    way.send_control(b"report")
    wanted = len(burst.buffer) + 10
    far.setblocking(False)
    got = b""
    async with asyncio.timeout(10):
        while len(got) < wanted:
            got += await asyncio.get_running_loop().sock_recv(far, 1 << 20)
    assert got[:2] == b"$\x06"
    assert got[-10:] == b"$\x07\x00\x06report"
    wire.abort()
    far.close()


def test_datagrams_reach_both_ports_and_losses_are_counted(reel: Reel) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        for sock in (media, control, sender):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(10)
        way = Datagrams((sender, sender), "127.0.0.1", (media.getsockname()[1], control.getsockname()[1]))
        burst = reel.units[0].burst
        way.send(burst)
        assert [media.recv(2000) for _ in burst.offsets] == [bytes(packet) for packet in burst.packets()]
        way.send_control(b"report")
        assert control.recv(2000) == b"report"
        assert way.lost == 0
        broken = Datagrams((sender, sender), "127.0.0.1", (0, 0))
        broken.send(burst)
        assert broken.lost == len(burst.offsets)
