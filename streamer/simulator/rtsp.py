"""The RTSP server of the simulated cameras (RFC 2326): RTP within the connection or by UDP, several clients a camera.

`RtspServer` listens, finds the camera that a request names, and lets faults reach connections; `session` answers
the requests. Called by `__main__` and by tests. asyncio, one thread, no task a client.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from streamer.errors import InputError, StreamerError
from streamer.simulator.faults import Fault
from streamer.simulator.mount import Mount, Stand
from streamer.simulator.session import Connection

StandMaker = Callable[[Mount, Fault], Awaitable[Stand | None]]
"""Makes the pictures that a fault needs (`variant.stand_in`); None for a fault that needs none."""
_BACKLOG = 128
_SWEEP_SECONDS = 1.0


class RtspServer:
    """Serves cameras on one port, and on ports of their own where they have one."""

    def __init__(
        self,
        mounts: Iterable[Mount],
        address: tuple[str, int] = ("127.0.0.1", 0),
        session_timeout_s: float = 60.0,
        stand_in: StandMaker | None = None,
    ):
        """`address` is (host, port), port 0 for a free one; a session without a sign of life ends after the timeout."""
        self.mounts = {mount.camera.name: mount for mount in mounts}
        self.host, self.port = address
        self.session_timeout_s = session_timeout_s
        self.connections: set[Connection] = set()
        self.udp: tuple[socket.socket, socket.socket] | None = None
        """The sockets that RTP and RTCP are sent from, made on first use."""
        self._stand_in = stand_in
        self._listeners: dict[str, socket.socket] = {}
        self._ports: dict[str, int] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen. Raises StreamerError when a port is taken."""
        self.port = self._listen("", self.port)
        for name, mount in self.mounts.items():
            if mount.camera.own_port is not None:
                self._ports[name] = self._listen(name, mount.camera.own_port)
            if not mount.camera.on_play:
                mount.begin()
        self._sweep_idle()

    async def close(self) -> None:
        """Stop listening and sending; every connection ends."""
        if self._sweep:
            self._sweep.cancel()
        for name in tuple(self._listeners):
            self._unlisten(name)
        for connection in tuple(self.connections):
            connection.wire.abort()
        for mount in self.mounts.values():
            mount.stop()
        if self.udp:
            loop = asyncio.get_running_loop()
            for sock in self.udp:
                loop.remove_reader(sock)
                sock.close()

    def url(self, name: str) -> str:
        """The address of a camera, without credentials."""
        return f"rtsp://{self.host}:{self._ports.get(name, self.port)}/{name}"

    async def fault(self, name: str, fault: Fault | None) -> None:
        """Let a camera misbehave, or behave again. Raises InputError for a camera that does not exist."""
        mount = self.mounts.get(name)
        if mount is None:
            raise InputError(f"camera {name!r} is not one of {', '.join(self.mounts)}")
        stand = await self._stand_in(mount, fault) if fault and self._stand_in else None
        before = mount.fault
        mount.misbehave(fault, stand)
        if (fault and fault.cuts) or (before and before.strands):
            for connection in [c for c in self.connections if c.mount is mount]:
                connection.wire.abort()
        if name in self._ports:
            refused = fault is not None and fault.kind == "refuse"
            if refused:
                self._unlisten(name)
            elif name not in self._listeners:
                self._listen(name, self._ports[name])

    def find(self, url: str) -> Mount | None:
        """The camera that a URL names; the rest of its path, a track, does not matter."""
        return self.mounts.get(unquote(urlsplit(url).path.strip("/").split("/")[0]))

    def udp_sockets(self) -> tuple[socket.socket, socket.socket]:
        """An even port for RTP and the next one for RTCP (RFC 3550, 11)."""
        if self.udp is None:
            self.udp = _port_pair(self.host)
            for sock in self.udp:
                asyncio.get_running_loop().add_reader(sock, self._hear, sock)
        return self.udp

    def _listen(self, name: str, port: int) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self.host, port))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            raise StreamerError(f"simulator: cannot listen on {self.host}:{port}: {error.strerror}") from error
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._accept, name, sock)
        self._listeners[name] = sock
        return int(sock.getsockname()[1])

    def _unlisten(self, name: str) -> None:
        sock = self._listeners.pop(name, None)
        if sock:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def _accept(self, name: str, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            sock, _ = listener.accept()
            connection = Connection(self, sock)
            connection.mount = self.mounts.get(name)
            self.connections.add(connection)

    def _hear(self, sock: socket.socket) -> None:
        """A datagram of a client: its receiver report, a sign of life."""
        with suppress(OSError):
            _, (host, port) = sock.recvfrom(2048)
            for connection in self.connections:
                connection.hear(host, port)

    def _sweep_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.connections):
            if now - connection.heard_at > self.session_timeout_s:
                connection.expire()
        self._sweep = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep_idle)


def _port_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Two bound UDP sockets on neighboring ports, the first even. Raises StreamerError when none are found."""
    for _ in range(64):
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        try:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((host, port + 1))
                for sock in (first, second):
                    sock.setblocking(False)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                return first, second
        except OSError:
            pass
        first.close()
        second.close()
    raise StreamerError(f"simulator: no two neighboring UDP ports are free on {host}")
