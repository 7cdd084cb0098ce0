"""RTSP on the wire (RFC 2326): requests in, responses out, and the binary packets that share the connection.

Called by `rtsp`. A pure parser: bytes in, messages out, no socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamer.errors import StreamerError

LIMIT = 65536
"""Largest header block and largest body in bytes: a client that sends more is broken or hostile."""

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
    505: "RTSP Version Not Supported",
}


class MessageError(StreamerError):
    """What a client sent is not RTSP."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a client."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; of a repeated header the last one."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Interleaved:
    """One binary packet of a client (RFC 2326, 10.12): its receiver reports."""

    channel: int
    payload: bytes


class Parser:
    """Cuts a connection's bytes into requests and interleaved packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request | Interleaved]:
        """Everything that is complete now, in order. Raises MessageError; the connection is then beyond repair."""
        self._buffer += data
        found: list[Request | Interleaved] = []
        while (item := self._next()) is not None:
            found.append(item)
        return found

    def _next(self) -> Request | Interleaved | None:
        buffer = self._buffer
        while buffer[:2] == b"\r\n":  # some clients send an empty line as a keepalive
            del buffer[:2]
        if buffer[:1] == b"$":
            if len(buffer) < 4 or len(buffer) < 4 + (size := int.from_bytes(buffer[2:4])):
                return None
            packet = Interleaved(buffer[1], bytes(buffer[4 : 4 + size]))
            del buffer[: 4 + size]
            return packet
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > LIMIT:
                raise MessageError(f"request header of more than {LIMIT} bytes")
            return None
        return self._request(end)

    def _request(self, end: int) -> Request | None:
        head = bytes(self._buffer[:end]).decode("utf-8", "replace").split("\r\n")
        first = head[0].split(" ")
        if len(first) != 3 or not first[2].startswith("RTSP/"):
            raise MessageError(f"request line {head[0][:80]!r} is not RTSP")
        headers = {}
        for line in head[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise MessageError(f"header line {line[:80]!r} has no colon")
            headers[name.strip().lower()] = value.strip()
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LIMIT:
            raise MessageError(f"content length {length[:20]!r} is not a number up to {LIMIT}")
        total = end + 4 + int(length)
        if len(self._buffer) < total:
            return None
        body = bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        return Request(first[0], first[1], headers, body)


def response(status: int, sequence: str | None, headers: Mapping[str, str | list[str]], body: bytes = b"") -> bytes:
    """A response; a header whose value is a list is repeated. `sequence` is the request's CSeq."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if sequence is not None:
        lines.append(f"CSeq: {sequence}")
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
