"""RTP packets of H.264 (RFC 6184) and H.265 (RFC 7798) pictures, built once and only patched before each send.

A looped camera sends the same bytes again and again; what differs is the sequence number, the timestamp and the
SSRC. A `Burst` holds all packets of one access unit in one buffer, already framed for TCP interleaving (RFC 2326,
10.12), so that a send is one patch and one system call. UDP sends slices of the same buffer.

Called by `stream` (which builds bursts) and `mount` (which sends them). Never opens a socket. No thread of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MTU = 1400
"""Largest RTP packet in bytes, header included: fits an Ethernet frame with room for IP, UDP and a tunnel."""

VIDEO_TYPE, AUDIO_TYPE = 96, 0
"""RTP payload types: the first dynamic one for video, PCMU (RFC 3551) for audio."""

CLOCK_RATE = 90_000
HEADER = 12
FRAMING = 4
"""Bytes before each packet in a burst: '$', channel, 16-bit length."""

_STAMP = struct.Struct(">HII")
_FIRST = struct.Struct(">BBHBB")


@dataclass(slots=True)
class Burst:
    """All RTP packets of one access unit, in one mutable buffer."""

    buffer: bytearray
    """The packets, each with its four bytes of interleaved framing."""
    offsets: tuple[int, ...]
    """Where each packet's framing begins in the buffer."""

    @property
    def octets(self) -> int:
        """Payload bytes, as RTCP counts them: neither RTP headers nor framing."""
        return len(self.buffer) - len(self.offsets) * (HEADER + FRAMING)

    def stamp(self, sequence: int, timestamp: int, ssrc: int) -> None:
        """Write sequence numbers from `sequence` on, the RTP timestamp and the SSRC into every packet (all wrap)."""
        timestamp &= 0xFFFFFFFF
        for number, at in enumerate(self.offsets, sequence):
            _STAMP.pack_into(self.buffer, at + FRAMING + 2, number & 0xFFFF, timestamp, ssrc)

    def address(self, channel: int) -> None:
        """Write the interleaved channel of every packet; free when it already is that channel."""
        if self.buffer[self.offsets[0] + 1] != channel:
            for at in self.offsets:
                self.buffer[at + 1] = channel

    def packets(self) -> Iterator[memoryview]:
        """Every RTP packet without its framing."""
        view = memoryview(self.buffer)
        for at, end in zip(self.offsets, (*self.offsets[1:], len(self.buffer)), strict=True):
            yield view[at + FRAMING : end]

    def copy(self, keep: Sequence[bool] | None = None) -> Burst | None:
        """A copy that may be changed; with `keep`, only of the packets marked true. None when none is left."""
        if keep is None:
            return Burst(bytearray(self.buffer), self.offsets)
        kept, offsets = bytearray(), []
        for at, end, wanted in zip(self.offsets, (*self.offsets[1:], len(self.buffer)), keep, strict=True):
            if wanted:
                offsets.append(len(kept))
                kept += self.buffer[at:end]
        return Burst(kept, tuple(offsets)) if offsets else None


def packetize(nals: Sequence[bytes], codec: str, mtu: int = MTU) -> Burst:
    """The RTP packets of one access unit; the last one carries the marker bit.

    Small neighbors travel together (STAP-A of RFC 6184, AP of RFC 7798), large units in fragments (FU-A, FU).
    `codec` is "h264" or "h265"; `nals` are without start codes and not empty.
    """
    room = mtu - HEADER
    payloads = list(_payloads_h264(nals, room) if codec == "h264" else _payloads_h265(nals, room))
    return frame_payloads(payloads, VIDEO_TYPE)


def frame_payloads(payloads: Sequence[bytes], payload_type: int, marker: bool = True) -> Burst:
    """Put RTP headers and interleaved framing before each payload; the last one is marked unless `marker` is false."""
    buffer, offsets = bytearray(), []
    for number, payload in enumerate(payloads):
        offsets.append(len(buffer))
        last = 0x80 if marker and number == len(payloads) - 1 else 0
        buffer += _FIRST.pack(0x24, 0, HEADER + len(payload), 0x80, last | payload_type)
        buffer += bytes(HEADER - 2)
        buffer += payload
    return Burst(buffer, tuple(offsets))


def split_nals(annexb: bytes) -> list[bytes]:
    """The NAL units of an Annex-B byte stream, without start codes and trailing zeros (ITU-T H.264, annex B)."""
    nals, start = [], annexb.find(b"\x00\x00\x01")
    while start >= 0:
        end = annexb.find(b"\x00\x00\x01", start + 3)
        nal = annexb[start + 3 : end if end >= 0 else None].rstrip(b"\x00")
        if nal:
            nals.append(nal)
        start = end
    return nals


def nal_type(nal: bytes, codec: str) -> int:
    """The NAL unit type: five bits of the header in H.264, six in H.265."""
    return nal[0] & 0x1F if codec == "h264" else (nal[0] >> 1) & 0x3F


def _payloads_h264(nals: Sequence[bytes], room: int) -> Iterator[bytes]:
    """RFC 6184: single NAL units, STAP-A (24) and FU-A (28): packetization mode 1."""
    for group in _groups(nals, room, header=1):
        nal = group[0]
        if len(group) > 1:
            importance = max(n[0] & 0x60 for n in group)
            yield bytes([importance | 24]) + b"".join(struct.pack(">H", len(n)) + n for n in group)
        elif len(nal) <= room:
            yield nal
        else:
            indicator, kind = nal[0] & 0xE0 | 28, nal[0] & 0x1F
            for first, last, part in _fragments(nal[1:], room - 2):
                yield bytes([indicator, first << 7 | last << 6 | kind]) + part


def _payloads_h265(nals: Sequence[bytes], room: int) -> Iterator[bytes]:
    """RFC 7798: single NAL units, AP (48) and FU (49), without DONL (sprop-max-don-diff=0)."""
    for group in _groups(nals, room, header=2):
        nal = group[0]
        if len(group) > 1:
            layer = min((n[0] & 1) << 8 | n[1] for n in group)
            head = struct.pack(">H", 48 << 9 | layer)
            yield head + b"".join(struct.pack(">H", len(n)) + n for n in group)
        elif len(nal) <= room:
            yield nal
        else:
            head, kind = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[0] >> 1 & 0x3F
            for first, last, part in _fragments(nal[2:], room - 3):
                yield head + bytes([first << 7 | last << 6 | kind]) + part


def _groups(nals: Sequence[bytes], room: int, header: int) -> Iterator[list[bytes]]:
    """Neighbors that fit one aggregation packet together, in order; a group of one is sent as it is."""
    group: list[bytes] = []
    size = header
    for nal in nals:
        if group and size + 2 + len(nal) > room:
            yield group
            group, size = [], header
        group.append(nal)
        size += 2 + len(nal)
    if group:
        yield group


def _fragments(body: bytes, room: int) -> Iterator[tuple[bool, bool, bytes]]:
    """(first, last, part) of a body that is larger than `room`."""
    for at in range(0, len(body), room):
        yield at == 0, at + room >= len(body), body[at : at + room]
