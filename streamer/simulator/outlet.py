"""Where a track of one client flows to: the client's TCP connection, or its pair of UDP ports.

An outlet begins with a keyframe. When its client is too slow it leaves out whole pictures until the next keyframe and
counts them: half a picture helps nobody, and a camera's memory is small. Called by `mount`. Event loop's thread.
"""

from __future__ import annotations

import socket
from typing import Protocol

from streamer.simulator.rtp import Burst
from streamer.simulator.wire import Wire

LIMIT = 1 << 20
"""Bytes that may wait for a slow TCP client before pictures are left out."""


class Outlet:
    """One track of one client."""

    def __init__(self, way: Way):
        self._way = way
        self.waiting = True
        """For a keyframe."""
        self.packets = self.octets = 0
        """What was sent, as RTCP counts it."""
        self.dropped = 0
        """Pictures left out because the client was too slow."""

    def offer(self, burst: Burst, key: bool) -> None:
        """Send the packets of one picture, or leave it out."""
        slow = self._way.pending > LIMIT or (self.waiting and self._way.pending > LIMIT // 2)
        if slow or (self.waiting and not key):
            self.dropped += slow or self.packets > 0
            self.waiting = True
            return
        self.waiting = False
        self._way.send(burst)
        self.packets += len(burst.offsets)
        self.octets += burst.octets

    def report(self, packet: bytes) -> None:
        """Send an RTCP packet."""
        self._way.send_control(packet)


class Way(Protocol):
    """How packets reach a client."""

    @property
    def pending(self) -> int:
        """Bytes that wait in this process."""

    def send(self, burst: Burst) -> None:
        """Send all packets of a burst; its buffer may be changed afterwards."""

    def send_control(self, packet: bytes) -> None:
        """Send one RTCP packet."""


class Interleave:
    """Within the RTSP connection (RFC 2326, 10.12)."""

    def __init__(self, wire: Wire, channel: int, control: int):
        self._wire, self._channel, self._control = wire, channel, control

    @property
    def pending(self) -> int:
        """Bytes that wait for the client to read."""
        return self._wire.pending

    def send(self, burst: Burst) -> None:
        """One system call for all packets."""
        burst.address(self._channel)
        self._wire.write(burst.buffer)

    def send_control(self, packet: bytes) -> None:
        """Frame and send an RTCP packet."""
        self._wire.write(bytes((0x24, self._control)) + len(packet).to_bytes(2) + packet)


class Datagrams:
    """By UDP unicast, from the server's two ports to the client's two."""

    pending = 0

    def __init__(self, sockets: tuple[socket.socket, socket.socket], host: str, ports: tuple[int, int]):
        self._media, self._control = sockets
        self._media_to, self._control_to = (host, ports[0]), (host, ports[1])
        self.lost = 0
        """Packets that the kernel did not take."""

    def send(self, burst: Burst) -> None:
        """One datagram a packet; what the kernel does not take is lost, as on a network."""
        for packet in burst.packets():
            self._to(self._media, packet, self._media_to)

    def send_control(self, packet: bytes) -> None:
        """Send one RTCP packet."""
        self._to(self._control, packet, self._control_to)

    def _to(self, sock: socket.socket, packet: bytes | memoryview, address: tuple[str, int]) -> None:
        try:
            sock.sendto(packet, address)
        except OSError:  # buffer full, or an ICMP "port unreachable" of an earlier packet
            self.lost += 1
