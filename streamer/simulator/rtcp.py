"""RTCP sender reports (RFC 3550): the camera's clock, as clients need it to turn RTP timestamps into time of day.

Called by `mount`, about every five seconds for each client. Pure functions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a sender report says: one instant on both clocks, and what was sent until then."""

    ssrc: int
    unix_s: float
    """The instant, in seconds since 1970, UTC."""
    timestamp: int
    """The same instant on the RTP clock of the stream."""
    packets: int
    octets: int


def sender_report(report: Report, cname: str) -> bytes:
    """A compound packet: the sender report (type 200) and the source description with its CNAME (type 202)."""
    ntp = int((report.unix_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
    head = struct.pack(
        ">BBHIQIII",
        0x80,
        200,
        6,
        report.ssrc,
        ntp,
        report.timestamp & 0xFFFFFFFF,
        report.packets & 0xFFFFFFFF,
        report.octets & 0xFFFFFFFF,
    )
    name = cname.encode()[:255]
    item = struct.pack(">IBB", report.ssrc, 1, len(name)) + name
    item += bytes(4 - len(item) % 4)
    return head + struct.pack(">BBH", 0x81, 202, len(item) // 4) + item
