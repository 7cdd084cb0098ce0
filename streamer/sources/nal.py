"""NAL units out of RTP payloads: H.264 (RFC 6184) and H.265 (RFC 7798).

A depacketizer turns the payloads of one access unit into pieces of Annex B that are joined once. It knows nothing of
sequence numbers or time (`rtp` does), trusts no length, and drops a fragmented unit whose beginning is missing. In the
reader's hot path: once a packet, 180 times a camera-second at 2 Mbit/s.
"""

from __future__ import annotations

from typing import Protocol

START_CODE = b"\x00\x00\x00\x01"


class Depacketizer(Protocol):
    """Collects one access unit."""

    parts: list[bytes]
    """Pieces of Annex B so far."""
    key: bool
    """A picture that needs no other is among them."""
    pictures: bool
    """Any picture data are among them (not just parameter sets)."""
    continues: bool
    """The first picture data are of a slice that is not a picture's first."""
    middle: int
    """The first two bytes of each payload that only continues the fragmented unit that is open; -1: not known."""
    startable: bool
    """Decoding may begin here: a keyframe, or parameter sets (streams with gradual refresh have no keyframes)."""

    def push(self, data: memoryview, start: int, end: int) -> None:
        """Add one RTP payload, data[start:end]; positions instead of slices, for each slice costs."""

    def lose(self) -> None:
        """Packets before the next one are missing: what is half read is of no use."""

    def reset(self) -> None:
        """Begin the next access unit."""


class _Units:
    """What both have in common."""

    _header = 1
    """Bytes of a unit's header."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.key = self.pictures = self.continues = self.startable = False
        self._open = -1
        """Where in `parts` an unfinished fragmented unit begins; -1: none."""
        self.middle = -1

    def reset(self) -> None:
        """See Depacketizer."""
        self.parts = []
        self.key = self.pictures = self.continues = self.startable = False
        self._open = self.middle = -1

    def lose(self) -> None:
        """See Depacketizer."""
        if self._open >= 0:
            del self.parts[self._open :]
            self._open = self.middle = -1

    def _begin(self, head: bytes) -> None:
        """A fragmented unit begins."""
        self.lose()
        self._open = len(self.parts)
        self.parts.append(START_CODE + head)

    def _add(self, unit: memoryview) -> None:
        self.parts.append(START_CODE)
        self.parts.append(bytes(unit))

    def _aggregate(self, payload: memoryview, at: int, extra: int) -> None:
        """Units with 16-bit sizes; `extra` bytes (a decoding order number) stand before each size but the first."""
        end = len(payload)
        while at + 2 <= end:
            size = payload[at] << 8 | payload[at + 1]
            at += 2
            if size == 0 or at + size > end:
                return
            unit = payload[at : at + size]
            self._note(unit[0], unit[self._header : self._header + 1])
            self._add(unit)
            at += size + extra

    def _picture(self, slice_head: memoryview) -> None:
        """Note picture data; both codecs' slice headers begin with a set bit in a picture's first slice."""
        if not self.pictures:
            self.continues = len(slice_head) > 0 and slice_head[0] < 0x80
        self.pictures = True

    def _note(self, first: int, slice_head: memoryview) -> None:
        raise NotImplementedError


class H264(_Units):
    """RFC 6184, packetization modes 0 and 1: single units, STAP-A, FU-A."""

    def push(self, data: memoryview, start: int, end: int) -> None:
        """See Depacketizer."""
        if end - start < 2:
            return
        first = data[start]
        kind = first & 0x1F
        if kind == 28:
            head = data[start + 1]
            if head & 0x80:
                self._begin(bytes((first & 0xE0 | head & 0x1F,)))
                self.middle = first << 8 | head & 0x3F
                self._note(head, data[start + 2 : start + 3])
            elif self._open < 0:
                return
            self.parts.append(data[start + 2 : end].tobytes())
            if head & 0x40:
                self._open = self.middle = -1
        elif 0 < kind < 24:
            self._note(first, data[start + 1 : start + 2])
            self._add(data[start:end])
        elif kind == 24:
            self._aggregate(data[start:end], 1, 0)

    def _note(self, first: int, slice_head: memoryview) -> None:
        kind = first & 0x1F
        if kind <= 5:
            self._picture(slice_head)
        if kind == 5:
            self.key = self.startable = True
        elif kind == 7:
            self.startable = True


class H265(_Units):
    """RFC 7798: single units, aggregation packets, fragmentation units; without or with decoding order numbers."""

    _header = 2

    def __init__(self, donl: bool = False):
        super().__init__()
        self._donl = 2 if donl else 0

    def push(self, data: memoryview, start: int, end: int) -> None:
        """See Depacketizer."""
        if end - start < 3:
            return
        first = data[start]
        kind = first >> 1 & 0x3F
        payload = data[start:end]
        if kind == 49:
            head, body = payload[2], 3
            if head & 0x80:
                unit = bytes((first & 0x81 | (head & 0x3F) << 1, payload[1]))
                body += self._donl
                self._begin(unit)
                self._note(unit[0], payload[body : body + 1])
            elif self._open < 0:
                return
            self.parts.append(payload[body:].tobytes())
            if head & 0x40:
                self._open = -1
        elif kind < 48:
            self._note(first, payload[2 + self._donl : 3 + self._donl])
            if self._donl:
                self.parts.append(START_CODE + bytes(payload[:2]))
                self.parts.append(bytes(payload[2 + self._donl :]))
            else:
                self._add(payload)
        elif kind == 48:
            self._aggregate(payload, 2 + self._donl, 1 if self._donl else 0)

    def _note(self, first: int, slice_head: memoryview) -> None:
        kind = first >> 1 & 0x3F
        if kind < 32:
            self._picture(slice_head)
        if 16 <= kind <= 21:
            self.key = self.startable = True
        elif kind in (32, 33):
            self.startable = True
