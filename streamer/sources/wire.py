"""The TCP connection to an RTSP camera: media packets and text replies interleaved on one socket (RFC 2326, 10.12).

One large receive buffer, one system call for whatever is there, memory views of it for each packet: the reader's
process does this for every camera, so the cost a packet counts. Bounds everything that the other side may send. Runs in
a camera's thread.
"""

from __future__ import annotations

import contextlib
import errno
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamer.errors import SourceError

_BUFFER_BYTES = 256 * 1024
_MAX_HEAD = 16 * 1024
_MAX_BODY = 64 * 1024
_POLL_SECONDS = 1.0
_SO_TIMESTAMPNS = 35
"""As in Linux' asm-generic/socket.h; the name is not in Python's socket module."""
_STAMP = struct.Struct("@qq")
_STAMP_ROOM = socket.CMSG_SPACE(_STAMP.size)
_OLDEST_SECONDS = 60.0
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT, errno.EINVAL)


@dataclass(frozen=True, slots=True)
class Reply:
    """A text message of the camera."""

    status: int
    reason: str
    headers: dict[str, list[str]]
    """By lower-case name."""
    body: str

    def get(self, name: str) -> str:
        """The first header of that name; empty if absent."""
        return self.headers.get(name, [""])[0]


class Wire:
    """A connected socket, taken apart into media packets and replies."""

    def __init__(self, sock: socket.socket, on_media: Callable[[memoryview, int, int, int], int]):
        """Take a connected socket.

        Args:
            sock: the socket.
            on_media: gets (data, at, after, end): a packet is data[at:after], with its four bytes of framing, and what
                was received ends at `end`. It returns `after`, or where the next packet begins if it took more of
                them. What it is given is overwritten after it returns.
        """
        self.bytes_received = 0
        self.replies: list[Reply] = []
        self.read_at = 0.0
        """CLOCK_MONOTONIC when the last byte that `read` brought was on this machine: by the kernel's stamp, for under
        load this process may come to read it much later."""
        self.waited = False
        """Whether the last `read` found nothing at first: whatever lag there is then is not this process's."""
        self._socket = sock
        self._on_media = on_media
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def send(self, text: str) -> None:
        """Send a request whole; raises SourceError when the connection is gone."""
        try:
            self._socket.sendall(text.encode())
        except TimeoutError as error:
            raise SourceError("no_answer", "the camera takes no more requests") from error
        except OSError as error:
            raise SourceError("ended", f"connection lost while asking: {error.strerror}") from error

    def read(self) -> bool:
        """Take what is there, waiting up to a second for it, and deal with every whole message; False: nothing came.

        Raises:
            SourceError: ``ended`` when the camera closed the connection, ``corrupt`` when it talks nonsense.
        """
        if self._end == _BUFFER_BYTES or self._start == self._end:
            self._compact()
        try:
            got, stamps, _, _ = self._socket.recvmsg_into([self._view[self._end :]], _STAMP_ROOM)
        except (BlockingIOError, InterruptedError, TimeoutError):
            self.waited = True
            return False
        except OSError as error:
            raise SourceError("ended", f"connection lost: {error.strerror}") from error
        if got == 0:
            raise SourceError("ended", "the camera closed the connection")
        # a full buffer means that more lies behind it: then we are the slow ones
        self.waited = self._end + got < _BUFFER_BYTES
        self.read_at = _monotonic(stamps)
        self._end += got
        self.bytes_received += got
        self._split()
        return True

    def _compact(self) -> None:
        rest = self._end - self._start
        if rest:
            self._view[:rest] = bytes(self._view[self._start : self._end])
        self._start, self._end = 0, rest

    def _split(self) -> None:
        buffer, view, at, end = self._buffer, self._view, self._start, self._end
        on_media = self._on_media
        while end - at >= 4:
            if buffer[at] == 0x24:
                after = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
                if after > end:
                    break
                after = on_media(view, at, after, end)
            else:
                after = self._take_text(at, end)
                if after < 0:
                    break
            at = after
        self._start = at

    def _take_text(self, at: int, end: int) -> int:
        """Deal with a reply at `at`; where it ends, or -1 if it is not all there yet."""
        head_end = self._buffer.find(b"\r\n\r\n", at, min(end, at + _MAX_HEAD))
        if head_end < 0:
            if end - at >= _MAX_HEAD or not bytes(self._buffer[at : at + 4]).isascii():
                raise SourceError("corrupt", "neither media nor a reply on the RTSP connection")
            return -1
        status_line, *lines = self._buffer[at:head_end].decode("utf-8", "replace").lstrip().split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        length = headers.get("content-length", ["0"])[0]
        size = int(length) if length.isdigit() else 0
        if size > _MAX_BODY:
            raise SourceError("corrupt", f"a reply of {size} bytes (limit {_MAX_BODY})")
        if head_end + 4 + size > end:
            return -1
        words = status_line.split(" ", 2)
        # requests of the camera (some send OPTIONS, or ANNOUNCE at the end) are read over
        if words[0].startswith("RTSP/") and len(words) > 1 and words[1].isdigit():
            body = self._buffer[head_end + 4 : head_end + 4 + size].decode("utf-8", "replace")
            self.replies.append(Reply(int(words[1]), words[2][:100] if len(words) > 2 else "", headers, body))
        return head_end + 4 + size


def connect(host: str, port: int, timeout_s: float) -> socket.socket:
    """Open a TCP connection, trying every address of the host within one time limit.

    Raises:
        SourceError: ``dns``, ``refused`` or ``unreachable``.
    """
    deadline_at = time.monotonic() + timeout_s
    failure = SourceError("dns", f"{host} has no address")
    for family, kind, protocol, _, address in resolve(host, port, timeout_s):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.1, deadline_at - time.monotonic()))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = _failure(error, f"{host}:{port}", timeout_s)
        else:
            _tune(sock)
            return sock
    raise failure


def _monotonic(stamps: list[tuple[int, int, bytes]]) -> float:
    """The kernel's stamp of what was received, on CLOCK_MONOTONIC; now where there is none."""
    now = time.monotonic()
    for _, kind, data in stamps:
        if kind == _SO_TIMESTAMPNS and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            ago_s: float = time.time() - seconds - nanoseconds * 1e-9
            # a wall clock that is being set says nothing
            return now - ago_s if 0.0 <= ago_s < _OLDEST_SECONDS else now
    return now


def resolve(host: str, port: int, timeout_s: float) -> list[tuple[Any, ...]]:
    """The addresses of a host, as `socket.getaddrinfo` gives them, within a time limit.

    The system's resolver tries dead name servers for a minute and cannot be stopped; it gets a thread that may outlive
    this call, so that a camera's own thread never looks hung.
    """
    found: queue.SimpleQueue[list[tuple[Any, ...]] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(list(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)))
        except OSError as error:
            found.put(error)
        except UnicodeError:
            found.put(OSError(0, "not a host name"))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=timeout_s)
    except queue.Empty:
        raise SourceError("dns", f"{host}: no answer from the name server within {timeout_s:.0f} s") from None
    if isinstance(answer, OSError):
        raise SourceError("dns", f"{host}: {answer.strerror}") from answer
    return answer


def _failure(error: OSError, where: str, timeout_s: float) -> SourceError:
    if isinstance(error, ConnectionRefusedError):
        return SourceError("refused", where)
    if isinstance(error, TimeoutError):
        return SourceError("unreachable", f"{where} did not answer within {timeout_s:.0f} s")
    return SourceError("unreachable" if error.errno in _UNREACHABLE else "unknown", f"{where}: {error.strerror}")


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with contextlib.suppress(OSError):  # without it the time of reading has to do
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    # kernel time limits instead of Python's: those would cost a poll() before every recv()
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(_POLL_SECONDS), 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))
