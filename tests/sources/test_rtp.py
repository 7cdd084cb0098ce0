import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import SourceError
from streamer.sources import rtp as rtp_module
from streamer.sources.nal import H264, H265
from streamer.sources.rtp import Receiver
from tests.sources.media import START, encode, packets, rtp, units


def receive(all_packets, receiver=None):
    receiver = receiver or Receiver(H264(), 96)
    for i, packet in enumerate(all_packets):
        receiver.push(memoryview(b"head" + packet + b"tail"), 4, 4 + len(packet), 100.0 + i)
    return receiver


def middles(n=3, **changes):
    """A fragmented unit up to its last fragment but one, then as many that only continue it, interleaved."""
    receiver = Receiver(H264(), 96)
    receiver.push(memoryview(struct.pack("!BBHII", 0x80, 96, 65534, 900, 7) + b"\x7c\x85\x88first"), 0, 20, 1.0)
    packets = []
    for i in range(n):
        field = {"second": 96, "sequence": (65535 + i) & 0xFFFF, "ticks": 900, "ssrc": 7, "head": b"\x7c\x05"}
        if i == n - 1:
            field |= changes
        ssrc, head = field["ssrc"], field["head"]
        packet = (
            struct.pack("!BBHII", 0x80, field["second"], field["sequence"], field["ticks"], ssrc) + head + b"%d" % i
        )
        packets.append(struct.pack("!BBH", 0x24, field.get("channel", 0), len(packet)) + packet)
    return receiver, packets


def test_fragments_in_the_middle_are_taken_in_one_go():
    receiver, packets = middles()
    data = b"".join(packets)
    assert receiver.push_middle(memoryview(b"xx" + data), 2, 2 + len(data), 0) == 2 + len(data)
    assert receiver.packets == 4
    assert receiver.lost == 0
    last = struct.pack("!BBHII", 0x80, 0xE0, 2, 900, 7) + b"\x7c\x45end"
    receiver.push(memoryview(last), 0, len(last), 2.0)
    assert [unit.data for unit in receiver.units] == [b"\0\0\0\1\x65\x88first012end"]
    assert not receiver.units[0].damaged


@pytest.mark.parametrize(
    "changes",
    [
        {"second": 0xE0},
        {"second": 97},
        {"sequence": 7},
        {"ticks": 901},
        {"ssrc": 8},
        {"head": b"\x7c\x45"},
        {"head": b"\x7c\x85"},
        {"head": b"\x41\x9a"},
        {"channel": 2},
    ],
)
def test_what_is_anything_else_is_left_to_the_long_way(changes):
    receiver, packets = middles(**changes)
    data = b"".join(packets)
    assert receiver.push_middle(memoryview(data), 0, len(data), 0) == len(packets[0] + packets[1])
    assert receiver.packets == 3


def test_a_fragment_that_is_not_whole_yet_and_one_without_a_beginning_wait():
    receiver, packets = middles()
    data = b"".join(packets)
    assert receiver.push_middle(memoryview(data), 0, len(data) - 1, 0) == len(packets[0] + packets[1])
    assert Receiver(H264(), 96).push_middle(memoryview(data), 0, len(data), 0) == 0


def test_fragments_without_end_are_refused():
    receiver, _ = middles()
    packet = struct.pack("!BBHII", 0x80, 96, 65535, 900, 7) + b"\x7c\x05" + bytes(60000)

    def flood():
        for i in range(200):
            data = struct.pack("!BBH", 0x24, 0, len(packet)) + packet[:2] + struct.pack("!H", (65535 + i) & 0xFFFF)
            data += packet[4:]
            assert receiver.push_middle(memoryview(data), 0, len(data), 0) == len(data)

    with pytest.raises(SourceError, match="access unit of more than"):
        flood()


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_units_come_back_at_their_marker(codec):
    stream = encode(8, codec)
    sent = packets(stream, codec, sequence=65530, start=2**32 - 20000)
    receiver = receive(sent, Receiver(H264() if codec == "h264" else H265(), 96))
    assert [unit.data for unit in receiver.units] == [
        b"".join(START + nal for nal in units(annexb)) for annexb, _ in stream
    ]
    steps = [b.ticks - a.ticks for a, b in zip(receiver.units, receiver.units[1:], strict=False)]
    assert steps == [9000] * 7  # over the wrap of the 32-bit timestamp
    assert [unit.key for unit in receiver.units] == [i % 6 == 0 for i in range(8)]
    assert receiver.lost == 0
    assert not any(unit.damaged for unit in receiver.units)


def test_a_unit_is_there_with_its_last_packet_and_not_with_the_next_unit():
    sent = packets(encode(2))
    first = next(i for i, packet in enumerate(sent) if packet[1] & 0x80)
    receiver = receive(sent[:first])
    assert receiver.units == []
    receiver.push(memoryview(sent[first]), 0, len(sent[first]), 7.5)
    assert len(receiver.units) == 1
    assert receiver.units[0].arrived_at == 7.5


def test_without_markers_the_timestamp_ends_a_unit():
    sent = [bytes([p[0], p[1] & 0x7F]) + p[2:] for p in packets(encode(4))]
    assert len(receive(sent).units) == 3


def test_markers_on_every_slice_are_found_out():
    def slices(i, ticks):
        head = b"\x65\x88" if i == 0 else b"\x41\x9a"
        return [rtp(head + b"one", 2 * i, ticks, True), rtp(head[:1] + b"\x1atwo", 2 * i + 1, ticks, True)]

    sent = [packet for i in range(5) for packet in slices(i, 9000 * i)]
    receiver = receive(sent)
    assert [unit.data.count(START) for unit in receiver.units[1:]] == [
        1,
        2,
        2,
        2,
    ]  # the rest of the cut one, then whole ones


def test_one_timestamp_for_ever_still_makes_units():
    receiver = receive([rtp(b"\x41\x9a" + bytes([i]), i, 5, True) for i in range(4)])
    assert len(receiver.units) == 4


def test_parameter_sets_with_a_marker_of_their_own_go_with_the_picture():
    receiver = receive([rtp(b"\x67sps", 0, 100, True), rtp(b"\x68pps", 1, 100, True), rtp(b"\x65\x88k", 2, 200, True)])
    (unit,) = receiver.units
    assert unit.data == START + b"\x67sps" + START + b"\x68pps" + START + b"\x65\x88k"
    assert unit.ticks - 100 == 100


def test_missing_packets_are_counted_and_mark_the_unit():
    sent = packets(encode(8, gop=100), limit=200)
    cuts = [i for i, packet in enumerate(sent) if packet[1] & 0x80]
    del sent[cuts[2] + 1 : cuts[2] + 2]  # the first packet of the fourth unit
    receiver = receive(sent)
    assert receiver.lost == 1
    assert [unit.damaged for unit in receiver.units].count(True) == 1


def test_a_sender_that_begins_anew_is_no_loss():
    receiver = receive([rtp(b"\x65\x88a", 10, 0, True), rtp(b"\x65\x88b", 40000, 9000, True)])
    assert receiver.lost == 0
    receive([rtp(b"\x65\x88c", 7, 0, True, ssrc=2)], receiver)
    assert receiver.lost == 0
    assert len(receiver.units) == 3


def test_padding_extension_and_other_payload_types():
    extended = (
        struct.pack("!BBHII", 0x90 | 0x20, 0x80 | 96, 0, 0, 1) + b"\xbe\xde\x00\x01ABCD" + b"\x65\x88k" + b"\x00\x02"
    )
    receiver = receive([rtp(b"\x65\x88x", 5, 0, True, payload_type=8), extended])
    assert [unit.data for unit in receiver.units] == [START + b"\x65\x88k"]
    assert receiver.packets == 1


def test_an_endless_unit_is_refused(monkeypatch):
    monkeypatch.setattr(rtp_module, "MAX_UNIT_BYTES", 1000)
    with pytest.raises(SourceError, match="access unit of more than"):
        receive([rtp(b"\x7c\x85" + b"x" * 400, i, 0, False) for i in range(4)])


def test_sender_report():
    receiver = receive([rtp(b"\x65\x88k", 0, 2**32 - 100, True)])
    ntp = (2208988800 + 1_800_000_000, 2**31)
    receiver.push_control(memoryview(struct.pack("!BBHIIII", 0x80, 200, 6, 1, *ntp, 100)), 9.0)
    assert receiver.report.utc_s == 1_800_000_000.5
    assert receiver.report.ticks == 2**32 + 100
    receiver.push_control(memoryview(b"\x81\xc9"), 10.0)
    assert receiver.report.arrived_at == 9.0


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_any_packets_do_no_harm(all_packets):
    receiver = receive(all_packets)
    for packet in all_packets:
        receiver.push_control(memoryview(packet), 0.0)
    assert receiver.packets <= len(all_packets)
