"""Messages between the engine and one child process, over a Unix socket pair that belongs to them alone.

A queue that many processes share can be left locked or half written by the one that is killed; a socket pair a child
cannot: its death is an end of file and nothing else. SOCK_SEQPACKET keeps message borders and can carry file
descriptors. The header is JSON, never pickle: a child decodes what hostile cameras send, and must not be able to run
code in the engine. Headers that repeat are parsed once, so what comes with every frame keeps its numbers in the body.
Used by engine and children; sending is safe from any thread, receiving belongs to one.
"""

from __future__ import annotations

import array
import contextlib
import errno
import json
import os
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_BYTES = 128 * 1024
"""Longest message; below the default socket buffer of Linux (208 KiB), above 1,000 detections."""
_MAX_FDS = 64
_DRAIN = 256
_FD_BYTES = array.array("i").itemsize
_ROOM_FOR_FDS = socket.CMSG_SPACE(_MAX_FDS * _FD_BYTES)
# as plain numbers: to join two of the enum costs as much as the system call
_SEND_FLAGS = int(socket.MSG_DONTWAIT) | int(socket.MSG_NOSIGNAL)
_READ_FLAGS = int(socket.MSG_DONTWAIT) | int(socket.MSG_CMSG_CLOEXEC)
_CUT_OFF = int(socket.MSG_TRUNC) | int(socket.MSG_CTRUNC)
_SHORT = 64
"""Headers up to so many bytes are remembered once parsed."""
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
_BROKEN = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ConnectionRefusedError)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what it says, its raw bytes, and descriptors that now belong to the receiver."""

    header: dict[str, Any]
    """Read only: the next message of the same header may share it."""
    body: bytes = b""
    fds: tuple[int, ...] = ()


class Channel:
    """One end of a pipe for messages."""

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._buffer = bytearray(MAX_BYTES)
        self.closed = False
        """True once the other end is gone, this end was closed, or the other end broke the format."""
        self.fault = ""
        """Why the other end broke the format; empty otherwise."""

    def send(self, header: dict[str, Any], body: bytes | memoryview = b"", fds: Sequence[int] = ()) -> bool:
        """Send without waiting.

        Returns:
            False when the peer's buffer is full or the peer is gone (then `closed` is set): the message is lost, and
            the caller counts it.

        Raises:
            ValueError: the message is longer than MAX_BYTES, or carries too many descriptors.
        """
        head = _encode(header).encode() + b"\n"
        if len(head) + len(body) > MAX_BYTES or len(fds) > _MAX_FDS:
            raise ValueError(
                f"Channel: a message of {len(head) + len(body)} bytes and {len(fds)} descriptors is over the limit "
                f"of {MAX_BYTES} bytes and {_MAX_FDS} descriptors"
            )
        if self.closed:
            return False
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._socket.sendmsg([head, body], rights, _SEND_FLAGS)
        except (BlockingIOError, InterruptedError):
            return False
        except _BROKEN:
            self.closed = True
            return False
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.ETOOMANYREFS):  # the kernel's own ways to be full
                return False
            if error.errno == errno.EBADF:  # closed by another thread meanwhile
                self.closed = True
                return False
            raise
        return True

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Wait for the next message; for children.

        Returns:
            None when the other end is gone.

        Raises:
            TimeoutError: nothing came within `timeout_s` seconds (None waits for ever).
        """
        if self.closed:
            return None
        # poll() first, and read without waiting: the descriptor's own mode then does not matter
        while True:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if not poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000):
                raise TimeoutError(f"no message within {timeout_s} s")
            with contextlib.suppress(BlockingIOError):
                return self._read()

    def drain(self) -> list[Message]:
        """The messages that are there now, without waiting; for a loop's reader. Sets `closed` at the end of file.

        At most _DRAIN at a time: a child that floods must not keep the loop from the other children.
        """
        messages: list[Message] = []
        try:
            while not self.closed and len(messages) < _DRAIN:
                message = self._read()
                if message is not None:
                    messages.append(message)
        except BlockingIOError:
            pass
        return messages

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end; the other sees an end of file. Safe to call twice."""
        self.closed = True
        self._socket.close()

    def _read(self) -> Message | None:
        try:
            size, ancillary, status, _ = self._socket.recvmsg_into([self._buffer], _ROOM_FOR_FDS, _READ_FLAGS)
        except _BROKEN:
            size, ancillary, status = 0, [], 0
        fds = _descriptors(ancillary) if ancillary else ()
        if size == 0:
            self.closed = True
            return None
        message = None if status & _CUT_OFF else _parse(self._buffer, size, fds)
        if message is None:
            for fd in fds:
                os.close(fd)
            self.closed = True
            self.fault = f"the other end sent {size} bytes that are not a message"
        return message


def pair() -> tuple[Channel, socket.socket]:
    """A new pipe: the engine's end as a channel, the child's end as a socket to be inherited."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), theirs


def from_fd(fd: int) -> Channel:
    """The channel on a descriptor that this process inherited."""
    return Channel(socket.socket(fileno=fd))


def _parse(buffer: bytearray, size: int, fds: tuple[int, ...]) -> Message | None:
    """The message in a buffer's first bytes; None when they are none."""
    end = buffer.find(b"\n", 0, size)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    try:
        header = _remembered(head) if end <= _SHORT else _decode(head.decode())
    except (ValueError, RecursionError):
        return None
    return Message(header, bytes(buffer[end + 1 : size]), fds) if isinstance(header, dict) else None


@lru_cache(maxsize=1024)
def _remembered(head: bytes) -> Any:
    return _decode(head.decode())


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    """The descriptors in the side data of a received message."""
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % _FD_BYTES])
    return tuple(fds)
