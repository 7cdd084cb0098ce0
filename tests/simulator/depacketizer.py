"""RTP payloads back into NAL units, written from RFC 6184 and RFC 7798 apart from the packetizer that it checks."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def nals_of(packets: Iterable[bytes], codec: str) -> list[bytes]:
    """The NAL units in a run of whole RTP packets. Fails on anything that the RFCs forbid a sender."""
    nals: list[bytes] = []
    open_unit: bytearray | None = None
    for packet in packets:
        assert packet[0] == 0x80, "version 2, no padding, no extension, no CSRC"
        payload = packet[12:]
        kind = payload[0] & 0x1F if codec == "h264" else payload[0] >> 1 & 0x3F
        size = 1 if codec == "h264" else 2
        if kind == (24 if codec == "h264" else 48):
            assert open_unit is None
            units = list(_aggregated(payload[size:]))
            assert len(units) >= 2, "an aggregation packet holds at least two units"
            nals += units
        elif kind == (28 if codec == "h264" else 49):
            header = payload[size]
            first, last = header & 0x80, header & 0x40
            assert not (first and last), "a fragment is never both the first and the last"
            if first:
                assert open_unit is None
                open_unit = bytearray(_restored(payload, header, codec))
            assert open_unit is not None
            open_unit += payload[size + 1 :]
            if last:
                nals.append(bytes(open_unit))
                open_unit = None
        else:
            assert open_unit is None
            nals.append(bytes(payload))
    assert open_unit is None, "the last fragment is missing"
    return nals


def _aggregated(rest: bytes) -> Iterable[bytes]:
    while rest:
        (size,) = struct.unpack_from(">H", rest)
        assert len(rest) >= 2 + size
        yield rest[2 : 2 + size]
        rest = rest[2 + size :]


def _restored(payload: bytes, header: int, codec: str) -> bytes:
    """The NAL unit header that the fragments share out between them."""
    if codec == "h264":
        return bytes([payload[0] & 0xE0 | header & 0x1F])
    return bytes([payload[0] & 0x81 | (header & 0x3F) << 1, payload[1]])
