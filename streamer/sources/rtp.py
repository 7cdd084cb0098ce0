"""Access units out of RTP packets (RFC 3550): order, loss, the timestamp's wrap, and the sender's own clock.

An access unit is complete when a packet bears the marker bit: waiting for the next one to begin, as libavformat's
parser does, costs a frame period of latency. A camera that sets the marker on every slice is found out, and from then
on its units end at the change of timestamp. Pure bytes in, units out; called by `rtsp` in a camera's thread.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from streamer.errors import SourceError
from streamer.sources.nal import Depacketizer

MAX_UNIT_BYTES = 8 * 1024 * 1024
"""Largest access unit; a keyframe of an 8K camera is about 2 MiB."""
_HEADER = struct.Struct("!BBHII")
_MIDDLE = struct.Struct("!HHHHIIH")
"""Interleaving (2 fields), RTP header (4) and the head of an H.264 fragment."""
_REPORT = struct.Struct("!BBHIIII")
_NTP_EPOCH = 2208988800


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """The encoded picture of one instant."""

    data: bytes
    """Annex B."""
    ticks: int
    """Timestamp in units of the track's clock rate, counted up over the 32-bit wrap."""
    key: bool
    startable: bool
    damaged: bool
    """Packets are missing in it or directly before it."""
    arrived_at: float
    """CLOCK_MONOTONIC when its last packet was here."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What the camera's clock showed at an instant of its media (RTCP SR)."""

    utc_s: float
    ticks: int
    arrived_at: float


class Receiver:
    """The packets of one video track."""

    def __init__(self, depacketizer: Depacketizer, payload_type: int):
        self.packets = 0
        self.lost = 0
        """Packets that the sequence numbers say are missing."""
        self.report: SenderReport | None = None
        self.units: list[AccessUnit] = []
        """Complete units that nobody has taken yet."""
        self._depacketizer = depacketizer
        self._payload_type = payload_type
        self._sequence = -1
        self._ssrc = -1
        self._last_raw = 0
        self._ticks = 0
        self._pending = False
        self._emitted_ticks: int | None = None
        self._by_marker = True
        self._damaged = False
        self._size = 0

    def push(self, data: memoryview, at: int, end: int, now: float) -> None:
        """Take one RTP packet, data[at:end]; complete units appear in `units`."""
        if end - at < 13:
            return
        first, second, sequence, raw, ssrc = _HEADER.unpack_from(data, at)
        if first >> 6 != 2 or second & 0x7F != self._payload_type:
            return
        start = at + 12
        if first & 0x3F:  # padding, an extension or other sources: rare
            start += (first & 0x0F) * 4
            if first & 0x10 and start + 4 <= end:
                start += 4 + (data[start + 2] << 8 | data[start + 3]) * 4
            if first & 0x20:
                end -= data[end - 1]
        if start >= end:
            return
        self.packets += 1
        if sequence != (self._sequence + 1) & 0xFFFF or ssrc != self._ssrc:
            self._note_gap(sequence, ssrc)
        self._sequence = sequence
        if raw != self._last_raw or self.packets == 1:
            self._step(raw, now)
        self._pending = True
        self._grow(end - start)
        depacketizer = self._depacketizer
        depacketizer.push(data, start, end)
        if depacketizer.continues and self._ticks == self._emitted_ticks and not self._damaged:
            self._by_marker = False  # the last unit was cut in the middle of a picture
        if second & 0x80 and self._by_marker and depacketizer.pictures:
            self._finish(now)

    def push_middle(self, data: memoryview, at: int, end: int, channel: int) -> int:
        """Take the packets that do nothing but continue a fragmented unit: ten of twelve at 2 Mbit/s, in one loop.

        Args:
            data: interleaved packets, each with its four bytes of framing.
            at: where the first of them begins.
            end: where what was received ends.
            channel: the track's.

        Returns:
            Where the first packet begins that is anything else, or not whole.
        """
        depacketizer = self._depacketizer
        middle, parts = depacketizer.middle, depacketizer.parts
        if middle < 0:
            return at
        ours, plain, sequence, raw, ssrc = (
            0x2400 | channel,
            0x8000 | self._payload_type,
            self._sequence,
            self._last_raw,
            self._ssrc,
        )
        began, n = at, 0
        while end - at >= 18:
            framing, size, flags, number, ticks, sender, head = _MIDDLE.unpack_from(data, at)
            after = at + 4 + size
            known = head == middle and flags == plain and framing == ours and ticks == raw and sender == ssrc
            if not known or number != (sequence + 1) & 0xFFFF or after > end or size < 15:
                break
            parts.append(data[at + 18 : after].tobytes())
            at, sequence, n = after, number, n + 1
        self._sequence = sequence
        self.packets += n
        self._grow(at - began - 16 * n)
        return at

    def push_control(self, packet: memoryview, now: float) -> None:
        """Take one RTCP packet; keeps the latest sender report."""
        if len(packet) < _REPORT.size:
            return
        first, kind, _, _, ntp_high, ntp_low, raw = _REPORT.unpack_from(packet)
        if first >> 6 == 2 and kind == 200 and ntp_high:
            ticks = self._ticks + _signed(raw - self._last_raw)
            self.report = SenderReport(ntp_high - _NTP_EPOCH + ntp_low / 2**32, ticks, now)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_UNIT_BYTES:
            raise SourceError("corrupt", f"an access unit of more than {MAX_UNIT_BYTES >> 20} MiB")

    def _note_gap(self, sequence: int, ssrc: int) -> None:
        gap = (sequence - self._sequence - 1) & 0xFFFF
        if self._sequence >= 0 and ssrc == self._ssrc:
            # a jump of thousands is a sender that began anew, not a loss; its timestamps will tell
            self.lost += gap if gap < 3000 else 0
            self._damaged = True
            self._depacketizer.lose()
        self._ssrc = ssrc

    def _step(self, raw: int, now: float) -> None:
        """The timestamp changes: what was being collected is complete."""
        if self._pending:
            self._finish(now)
        self._ticks = raw if self.packets == 1 else self._ticks + _signed(raw - self._last_raw)
        self._last_raw = raw

    def _finish(self, now: float) -> None:
        depacketizer = self._depacketizer
        if not depacketizer.pictures:
            return  # parameter sets alone: they belong to the picture that follows
        self.units.append(
            AccessUnit(
                b"".join(depacketizer.parts),
                self._ticks,
                depacketizer.key,
                depacketizer.startable,
                self._damaged,
                now,
            )
        )
        self._emitted_ticks = self._ticks
        self._pending = self._damaged = False
        self._size = 0
        depacketizer.reset()


def _signed(difference: int) -> int:
    """A difference of 32-bit timestamps, with its sign, over the wrap."""
    return (difference + 2**31) % 2**32 - 2**31
