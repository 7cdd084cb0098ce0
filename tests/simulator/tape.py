"""A client's end that records what a camera sends, for tests of its clock and faults without any socket."""

from __future__ import annotations

import asyncio
import struct
import time

from streamer.simulator.reel import Reel
from streamer.simulator.rtp import HEADER, Burst


class Tape:
    """A way that records (monotonic, sequence, timestamp, payload) of each picture."""

    def __init__(self) -> None:
        self.pending = 0
        self.pictures: list[tuple[float, int, int, bytes]] = []
        self.control: list[bytes] = []
        self.grew = asyncio.Event()

    def send(self, burst: Burst) -> None:
        first = next(burst.packets())
        sequence, timestamp = struct.unpack_from(">HI", first, 2)
        self.pictures.append((time.monotonic(), sequence, timestamp, _payload(burst)))
        self.grew.set()

    def send_control(self, packet: bytes) -> None:
        self.control.append(packet)

    async def until(self, count: int) -> list[tuple[float, int, int, bytes]]:
        async with asyncio.timeout(10):
            while len(self.pictures) < count:
                self.grew.clear()
                await self.grew.wait()
        return self.pictures

    def units(self, reel: Reel) -> list[int]:
        """Which unit of the reel each picture was, by its payload."""
        bare = {_payload(unit.burst): number for number, unit in enumerate(reel.units)}
        return [bare.get(picture[3], -1) for picture in self.pictures]


def _payload(burst: Burst) -> bytes:
    return b"".join(bytes(packet[HEADER:]) for packet in burst.packets())
