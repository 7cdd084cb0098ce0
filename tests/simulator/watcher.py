"""A small RTSP client of the tests' own: it shows every byte that a camera sends, and breaks the rules when asked."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

WAIT = 10.0
"""Seconds for anything that must happen; only a failing test waits so long."""


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop work until something holds; for what nothing announces."""
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


@dataclass
class Reply:
    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        return self.headers[name][0]


@dataclass
class Rtp:
    channel: int
    data: bytes
    payload_type: int = field(init=False)
    marker: bool = field(init=False)
    sequence: int = field(init=False)
    timestamp: int = field(init=False)
    ssrc: int = field(init=False)

    def __post_init__(self) -> None:
        _, second, self.sequence, self.timestamp, self.ssrc = struct.unpack_from(">BBHII", self.data)
        self.payload_type, self.marker = second & 0x7F, bool(second & 0x80)


class Watcher:
    """One connection to a camera."""

    def __init__(self, url: str):
        self.url = url
        self.sequence = 0
        self.session = ""
        self.waiting: list[Rtp] = []
        self.reports: list[bytes] = []

    async def __aenter__(self) -> Self:
        parts = urlsplit(self.url)
        self.reader, self.writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 24)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, method: str, path: str = "", **headers: str) -> None:
        self.sequence += 1
        lines = [f"{method} {self.url}{path} RTSP/1.0", f"CSeq: {self.sequence}"]
        if self.session:
            lines.append(f"Session: {self.session}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())

    async def ask(self, method: str, path: str = "", **headers: str) -> Reply:
        self.send(method, path, **headers)
        return await self.reply()

    async def reply(self) -> Reply:
        """The next response; media that come before it are kept."""
        while True:
            first = await asyncio.wait_for(self.reader.readexactly(1), WAIT)
            if first != b"$":
                break
            await self._binary()
        head = (first + await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT)).decode()
        lines = head.split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        assert lines[0].startswith("RTSP/1.0 ")
        body = await self.reader.readexactly(int(headers.get("content-length", ["0"])[0]))
        if "session" in headers:
            self.session = headers["session"][0].split(";")[0]
        return Reply(int(lines[0].split()[1]), headers, body)

    async def play(self, track: str = "trackID=0") -> Reply:
        """SETUP within the connection, and PLAY."""
        reply = await self.ask("SETUP", f"/{track}", Transport="RTP/AVP/TCP;unicast;interleaved=0-1")
        assert reply.status == 200, reply
        reply = await self.ask("PLAY")
        assert reply.status == 200, reply
        return reply

    async def packet(self, within_s: float = WAIT) -> Rtp:
        """The next RTP packet."""
        while not self.waiting:
            assert await asyncio.wait_for(self.reader.readexactly(1), within_s) == b"$"
            await self._binary()
        return self.waiting.pop(0)

    async def report(self) -> bytes:
        """The next RTCP packet."""
        while not self.reports:
            assert await asyncio.wait_for(self.reader.readexactly(1), WAIT) == b"$"
            await self._binary()
        return self.reports.pop(0)

    async def picture(self, within_s: float = WAIT) -> list[Rtp]:
        """The packets of the next picture, to the marker bit."""
        packets = [await self.packet(within_s)]
        while not packets[-1].marker:
            packets.append(await self.packet(within_s))
        return packets

    async def closed(self) -> None:
        """Wait until the camera ends the connection."""
        try:
            while await asyncio.wait_for(self.reader.read(65536), WAIT):
                pass
        except ConnectionResetError:
            pass

    async def quiet(self, seconds: float) -> bool:
        """Whether nothing more comes for so long (what is on its way now may still come)."""
        try:
            await asyncio.wait_for(self.reader.readexactly(1), seconds)
        except TimeoutError:
            return True
        return False

    async def _binary(self) -> None:
        channel, size = struct.unpack(">BH", await asyncio.wait_for(self.reader.readexactly(3), WAIT))
        data = await asyncio.wait_for(self.reader.readexactly(size), WAIT)
        if channel % 2:
            self.reports.append(data)
        else:
            self.waiting.append(Rtp(channel, data))
