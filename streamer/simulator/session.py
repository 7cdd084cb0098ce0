"""One client's connection and session: the answers to its requests (RFC 2326).

A connection carries at most one session, of one camera; the session ends with it, or when the client gives no sign of
life for the session's timeout. Called by `rtsp`. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

from streamer.simulator.auth import new_nonce
from streamer.simulator.message import MessageError, Parser, Request, response
from streamer.simulator.mount import Mount
from streamer.simulator.outlet import Datagrams, Interleave, Outlet, Way
from streamer.simulator.sdp import AUDIO, VIDEO, describe
from streamer.simulator.soundtrack import Soundtrack
from streamer.simulator.wire import Wire

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_PORTS = re.compile(r"client_port=(\d+)(?:-(\d+))?")
_CHANNELS = re.compile(r"interleaved=(\d+)(?:-(\d+))?")


class Server(Protocol):
    """What a connection needs of the server."""

    connections: set[Connection]
    session_timeout_s: float

    def find(self, url: str) -> Mount | None:
        """The camera that a URL names."""

    def udp_sockets(self) -> tuple[socket.socket, socket.socket]:
        """Sockets to send RTP and RTCP from."""


class Connection:
    """A client."""

    def __init__(self, server: Server, sock: socket.socket):
        self.mount: Mount | None = None
        """The camera it asked for; only known after a first request, unless the port belongs to one camera."""
        self._server = server
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        self._parse = Parser().feed
        self._nonce = new_nonce()
        self._session = ""
        self._tracks: dict[str, Outlet] = {}
        self._sound: Soundtrack | None = None
        self._udp_ports: set[int] = set()
        self._next_channel = 0
        self.wire = Wire(sock, self._received, self._closed)

    def hear(self, host: str, port: int) -> None:
        """A datagram came from this address."""
        if port in self._udp_ports and host == self.wire.peer:
            self.heard_at = self._loop.time()

    def expire(self) -> None:
        """No sign of life for too long: the session and its connection end (a half-open camera notices nothing)."""
        if not self._mute():
            self.wire.abort()

    def _received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._mute():
            return
        try:
            for item in self._parse(data):
                if isinstance(item, Request):
                    self._answer(item)
        except MessageError:
            self.wire.write(response(400, None, {}))
            self.wire.close()

    def _mute(self) -> bool:
        fault = self.mount.fault if self.mount else None
        return fault is not None and fault.kind == "half_open"

    def _answer(self, request: Request) -> None:
        mount = self._server.find(request.url)
        self.mount = self.mount or mount
        if self._mute():
            return
        fault = mount.fault.kind if mount and mount.fault else ""
        if fault == "refuse":
            self.wire.abort()
        elif request.method == "OPTIONS":
            self._reply(request, 200, {"Public": METHODS})
        elif mount is None or mount is not self.mount or fault == "404":
            self._reply(request, 404)
        elif fault == "401" or not mount.camera.guard.admits(
            request.headers.get("authorization"), request.method, self._nonce
        ):
            self._reply(request, 401, {"WWW-Authenticate": mount.camera.guard.challenge(self._nonce)})
        else:
            self._perform(request, mount)

    def _perform(self, request: Request, mount: Mount) -> None:
        handlers: dict[str, Callable[[Request, Mount], None]] = {
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "GET_PARAMETER": self._keep_alive,
            "SET_PARAMETER": self._keep_alive,
            "TEARDOWN": self._teardown,
        }
        handler = handlers.get(request.method)
        named = request.headers.get("session", "").split(";")[0].strip()
        if handler is None:
            self._reply(request, 501, {"Allow": METHODS})
        elif named != self._session and (named or request.method in ("PLAY", "PAUSE", "TEARDOWN")):
            self._reply(request, 454)
        else:
            handler(request, mount)

    def _describe(self, request: Request, mount: Mount) -> None:
        fault = mount.fault
        silent = fault is not None and fault.kind == "audio_only"
        text = describe(
            mount.camera.name, self.wire.host, None if silent else mount.described, silent or mount.camera.audio
        )
        headers = {"Content-Type": "application/sdp", "Content-Base": request.url.split("?")[0].rstrip("/") + "/"}
        if fault and fault.kind == "slow_start":
            self._loop.call_later(fault.seconds / 2, self._reply, request, 200, headers, text.encode())
        else:
            self._reply(request, 200, headers, text.encode())

    def _setup(self, request: Request, mount: Mount) -> None:
        track = AUDIO if request.url.split("?")[0].rstrip("/").endswith(AUDIO) else VIDEO
        if any(outlet in mount.watchers for outlet in self._tracks.values()):
            self._reply(request, 455)
            return
        for offer in request.headers.get("transport", "").split(","):
            made = self._transport(offer.strip(), mount.camera.transport)
            if made:
                way, text = made
                break
        else:
            self._reply(request, 461)
            return
        self._session = self._session or secrets.token_hex(8)
        self._tracks[track] = Outlet(way)
        self._reply(request, 200, {"Transport": f"{text};ssrc={mount.ssrc:08X}", "Session": self._session_line()})

    def _transport(self, offer: str, allowed: str) -> tuple[Way, str] | None:
        """A way to the client and the words that describe it, or None if this offer cannot be taken."""
        kind = offer.split(";")[0].upper()
        if kind == "RTP/AVP/TCP" and allowed in ("any", "tcp"):
            found = _CHANNELS.search(offer)
            media = int(found[1]) if found else self._next_channel
            control = int(found[2]) if found and found[2] else media + 1
            if max(media, control) > 255:
                return None
            self._next_channel = max(self._next_channel, control + 1)
            return Interleave(self.wire, media, control), f"RTP/AVP/TCP;unicast;interleaved={media}-{control}"
        ports = _PORTS.search(offer)
        if kind in ("RTP/AVP", "RTP/AVP/UDP") and allowed in ("any", "udp") and ports and "multicast" not in offer:
            media = int(ports[1])
            control = int(ports[2]) if ports[2] else media + 1
            if not 0 < media < 65536 or not 0 < control < 65536:
                return None
            self._udp_ports |= {media, control}
            sockets = self._server.udp_sockets()
            serving = "-".join(str(sock.getsockname()[1]) for sock in sockets)
            words = f"RTP/AVP;unicast;client_port={media}-{control};server_port={serving}"
            return Datagrams(sockets, self.wire.peer, (media, control)), words
        return None

    def _play(self, request: Request, mount: Mount) -> None:
        if not self._tracks:
            self._reply(request, 455)
            return
        headers: dict[str, str | list[str]] = {"Session": self._session_line(), "Range": "npt=now-"}
        if VIDEO in self._tracks and mount.fault is None:
            cue = mount.cue()
            base = request.url.split("?")[0].rstrip("/")
            if cue is not None:
                headers["RTP-Info"] = f"url={base}/{VIDEO};seq={cue[0]};rtptime={cue[1]}"
        self._reply(request, 200, headers)
        delay = mount.fault.seconds / 2 if mount.fault and mount.fault.kind == "slow_start" else 0.0
        if delay:
            self._loop.call_later(delay, self._flow, mount)
        else:
            self._flow(mount)

    def _flow(self, mount: Mount) -> None:
        if self.wire.closed:
            return
        if VIDEO in self._tracks:
            mount.play(self._tracks[VIDEO])
        if AUDIO in self._tracks and self._sound is None:
            self._sound = Soundtrack(mount, self._tracks[AUDIO])
            self._sound.start()

    def _pause(self, request: Request, mount: Mount) -> None:
        self._still(mount)
        self._reply(request, 200, {"Session": self._session_line()})

    def _keep_alive(self, request: Request, mount: Mount) -> None:
        self._reply(request, 200, {"Session": self._session_line()} if self._session else {})

    def _teardown(self, request: Request, mount: Mount) -> None:
        self._still(mount)
        self._tracks.clear()
        self._reply(request, 200, {"Session": self._session})
        self._session = ""

    def _still(self, mount: Mount) -> None:
        for outlet in self._tracks.values():
            mount.leave(outlet)
        if self._sound:
            self._sound.stop()
            self._sound = None

    def _closed(self) -> None:
        self._server.connections.discard(self)
        if self.mount:
            self._still(self.mount)

    def _session_line(self) -> str:
        return f"{self._session};timeout={self._server.session_timeout_s:g}"

    def _reply(
        self, request: Request, status: int, headers: Mapping[str, str | list[str]] | None = None, body: bytes = b""
    ) -> None:
        self.wire.write(response(status, request.headers.get("cseq"), headers or {}, body))
