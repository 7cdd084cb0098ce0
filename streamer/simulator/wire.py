"""One TCP connection of a client on the event loop, with a write buffer that its user can see and bound.

asyncio's transports either copy each write or keep a view of it; the packets of a reel are patched in place for the
next send, so this one sends at once what the kernel takes and copies only the rest. Called by `rtsp` and `outlet`.
Runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

KERNEL_BUFFER = 256 * 1024
"""Send buffer in the kernel, bytes: about a second of one camera, so that a slow client shows here and not there."""
_READ = 65536


class Wire:
    """A connected, non-blocking TCP socket."""

    def __init__(self, sock: socket.socket, on_data: Callable[[bytes], None], on_close: Callable[[], None]):
        """Start reading; `on_data` gets what arrives, `on_close` is called once, at the end, whoever ends it."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._on_data, self._on_close = on_data, on_close
        self._backlog = bytearray()
        self._closing = False
        self.closed = False
        self.peer: str = sock.getpeername()[0]
        self.host: str = sock.getsockname()[0]
        self._loop.add_reader(sock, self._readable)

    @property
    def pending(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._backlog)

    def write(self, data: bytes | bytearray) -> None:
        """Send now what the kernel takes and keep a copy of the rest; the caller may change `data` afterwards."""
        if self.closed or self._closing:
            return
        sent = 0
        if not self._backlog:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self.abort()
                return
            if sent == len(data):
                return
            self._loop.add_writer(self._sock, self._writable)
        self._backlog += memoryview(data)[sent:]

    def close(self) -> None:
        """End the connection once everything written has been sent."""
        self._closing = True
        if not self._backlog:
            self._end()

    def abort(self) -> None:
        """End the connection now, with a reset, as a crashing camera does."""
        if not self.closed:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._end()

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._on_data(data)
        else:
            self._end()

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._backlog)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
            return
        del self._backlog[:sent]
        if not self._backlog:
            self._loop.remove_writer(self._sock)
            if self._closing:
                self._end()

    def _end(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._backlog.clear()
        self._on_close()
