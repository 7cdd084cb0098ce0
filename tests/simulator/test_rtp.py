"""Packets: what a depacketizer of its own makes of them must be what went in."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.simulator.reel import Reel
from streamer.simulator.rtp import (
    AUDIO_TYPE,
    FRAMING,
    HEADER,
    MTU,
    VIDEO_TYPE,
    Burst,
    frame_payloads,
    nal_type,
    packetize,
    split_nals,
)
from tests.simulator.depacketizer import nals_of

H264_TYPES, H265_TYPES = [1, 5, 6, 7, 8], [0, 1, 19, 20, 32, 33, 34, 39]


@st.composite
def units(draw: st.DrawFn, codec: str) -> list[bytes]:
    """NAL units of any size, around the packet size most of all."""
    sizes = st.one_of(st.integers(1, 60), st.integers(MTU - 20, MTU + 5), st.integers(1, 9000))
    nals = []
    for size in draw(st.lists(sizes, min_size=1, max_size=8)):
        if codec == "h264":
            head = bytes([draw(st.sampled_from([0, 0x20, 0x60])) | draw(st.sampled_from(H264_TYPES))])
        else:
            head = bytes([draw(st.sampled_from(H265_TYPES)) << 1, 1])
        nals.append(head + bytes((size * 31 + k) & 0xFF for k in range(size)))
    return nals


@pytest.mark.parametrize("codec", ["h264", "h265"])
@given(data=st.data())
def test_round_trip(codec: str, data: st.DataObject) -> None:
    nals = data.draw(units(codec))
    burst = packetize(nals, codec)
    packets = [bytes(p) for p in burst.packets()]
    assert nals_of(packets, codec) == nals
    assert all(HEADER < len(p) <= MTU for p in packets)
    assert [p[1] >> 7 for p in packets] == [0] * (len(packets) - 1) + [1], "the marker ends the picture"
    assert {p[1] & 0x7F for p in packets} == {VIDEO_TYPE}


def test_small_units_share_a_packet() -> None:
    sets_and_slice = [b"\x67" + bytes(20), b"\x68" + bytes(4), b"\x65" + bytes(range(200))]
    burst = packetize(sets_and_slice, "h264")
    assert len(burst.offsets) == 1
    (packet,) = burst.packets()
    assert packet[HEADER] == 0x60 | 24, "a STAP-A of the highest importance"


def test_exact_fit_is_not_fragmented() -> None:
    nal = b"\x61" + bytes(MTU - HEADER - 1)
    assert len(packetize([nal], "h264").offsets) == 1
    assert len(packetize([nal + b"x"], "h264").offsets) == 2


def test_interleaved_framing(reel: Reel) -> None:
    burst = reel.units[0].burst
    at = 0
    for offset, packet in zip(burst.offsets, burst.packets(), strict=True):
        assert offset == at
        dollar, _, size = struct.unpack_from(">BBH", burst.buffer, at)
        assert (dollar, size) == (0x24, len(packet))
        at += FRAMING + size
    assert at == len(burst.buffer)
    assert len(burst.offsets) > 1


def test_stamp_writes_every_packet_and_wraps() -> None:
    burst = packetize([b"\x65" + bytes(5000)], "h264")
    burst.stamp(0xFFFE, 0x1_0000_0005, 0xDEADBEEF)
    seen = [struct.unpack_from(">HII", p, 2) for p in burst.packets()]
    assert [s[0] for s in seen] == [0xFFFE, 0xFFFF, 0, 1]
    assert {s[1:] for s in seen} == {(5, 0xDEADBEEF)}


def test_address_writes_every_packet() -> None:
    burst = packetize([b"\x65" + bytes(5000)], "h264")
    burst.address(6)
    assert {burst.buffer[at + 1] for at in burst.offsets} == {6}
    burst.address(0)
    assert {burst.buffer[at + 1] for at in burst.offsets} == {0}


def test_copy_keeps_chosen_packets_and_is_apart() -> None:
    burst = packetize([b"\x65" + bytes(5000)], "h264")
    burst.stamp(10, 0, 0)
    copy = burst.copy([True, False, True, False])
    assert copy is not None
    assert [struct.unpack_from(">H", p, 2)[0] for p in copy.packets()] == [10, 12]
    copy.buffer[20] ^= 0xFF
    assert burst.buffer[20] != copy.buffer[20]
    assert burst.copy([False] * 4) is None
    whole = burst.copy()
    assert whole is not None
    assert whole.buffer == burst.buffer
    assert whole.buffer is not burst.buffer


def test_octets_count_payload_only() -> None:
    burst = frame_payloads([bytes(100), bytes(50)], AUDIO_TYPE)
    assert burst.octets == 150


def test_unmarked_audio() -> None:
    burst: Burst = frame_payloads([bytes(320)], AUDIO_TYPE, marker=False)
    assert next(burst.packets())[1] == AUDIO_TYPE


def test_split_nals_takes_both_start_codes_and_drops_padding() -> None:
    stream = b"\x00\x00\x00\x01\x67ab\x00\x00\x01\x68c\x00\x00\x00\x00\x01\x65d\x00\x00"
    assert split_nals(stream) == [b"\x67ab", b"\x68c", b"\x65d"]
    assert split_nals(b"") == []
    assert split_nals(b"no start code") == []


def test_nal_type() -> None:
    assert nal_type(b"\x67", "h264") == 7
    assert nal_type(b"\x42\x01", "h265") == 33


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_real_pictures_survive(codec: str, reels: dict[str, Reel]) -> None:
    for unit in reels[codec].units:
        assert nals_of([bytes(p) for p in unit.burst.packets()], codec) == list(unit.nals)
