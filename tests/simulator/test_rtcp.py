"""Sender reports, taken apart by RFC 3550's picture of them."""

from __future__ import annotations

import struct

from streamer.simulator.rtcp import NTP_EPOCH_S, Report, sender_report


def test_fields() -> None:
    packet = sender_report(Report(0xABCD1234, 1_700_000_000.25, (1 << 32) + 7, 11, 2222), "gate")
    flags, kind, words, ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack_from(">BBHIIIIII", packet)
    assert (flags, kind, words) == (0x80, 200, 6)
    assert ssrc == 0xABCD1234
    assert seconds == 1_700_000_000 + NTP_EPOCH_S
    assert fraction == 1 << 30, "a quarter of a second"
    assert (timestamp, packets, octets) == (7, 11, 2222)


def test_compound_ends_with_a_padded_cname() -> None:
    for name in ("a", "ab", "abc", "abcd", "gate-5"):
        packet = sender_report(Report(1, 0.0, 0, 0, 0), name)
        assert len(packet) % 4 == 0
        flags, kind, words, ssrc, item, size = struct.unpack_from(">BBHIBB", packet, 28)
        assert (flags, kind, ssrc, item, size) == (0x81, 202, 1, 1, len(name))
        assert len(packet) == 28 + 4 * (words + 1)
        assert packet[38 : 38 + size] == name.encode()
        assert packet[38 + size] == 0, "the list of items ends with a zero"
