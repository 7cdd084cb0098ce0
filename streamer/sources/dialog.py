"""The RTSP conversation (RFC 2326): describe, set up the video track over TCP, play, keep alive, tear down.

Called by `rtsp` in a camera's thread. Says exactly why a camera does not play: each step's failure has its own cause.
Audio and metadata tracks are never set up: they would cost bandwidth and keep a stream without video looking alive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urljoin

from streamer.errors import SourceError
from streamer.sources import sdp
from streamer.sources.address import Address
from streamer.sources.digest import Credentials
from streamer.sources.wire import Reply, Wire

_AGENT = "streamer"
_DEFAULT_SESSION_SECONDS = 60.0
_STATUS_CAUSES = {
    401: "unauthorized",
    403: "unauthorized",
    404: "not_found",
    410: "not_found",
    415: "unsupported",
    451: "unsupported",
    461: "unsupported",
    505: "unsupported",
    551: "unsupported",
}


class Dialog:
    """One conversation over one connection.

    Args:
        wire: the connection.
        address: whom to ask for what.
        deadline_at: CLOCK_MONOTONIC by which `start` must be through.
        now: that clock.
    """

    def __init__(self, wire: Wire, address: Address, deadline_at: float, now: Callable[[], float] = time.monotonic):
        self.media_channel, self.control_channel = 0, 1
        self._wire = wire
        self._deadline_at = deadline_at
        self._now = now
        self._url = address.bare
        self._credentials = Credentials(address.user, address.password) if address.user or address.password else None
        self._number = 0
        self._answered = False
        self._session = ""
        self._keepalive_method = "OPTIONS"
        self._keepalive_s = _DEFAULT_SESSION_SECONDS / 2
        self._next_keepalive_at = 0.0
        self._base = self._url

    def describe(self) -> sdp.Description:
        """Ask what the camera offers."""
        options = self._ask("OPTIONS", self._url, required=False)
        if "GET_PARAMETER" in options.get("public").upper():
            self._keepalive_method = "GET_PARAMETER"
        reply = self._ask("DESCRIBE", self._url, {"Accept": "application/sdp"})
        self._base = reply.get("content-base") or reply.get("content-location") or self._url
        return sdp.parse(reply.body)

    def play(self, description: sdp.Description) -> None:
        """Set the video track up on this very connection and start it."""
        track_url = _resolve(self._base, description.video.control)
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        reply = self._ask("SETUP", track_url, {"Transport": transport})
        if "tcp" not in reply.get("transport").lower():
            raise SourceError("unsupported", "the camera does not send over TCP (set transport: udp)")
        self._take_channels(reply.get("transport"))
        self._session, _, rest = reply.get("session").partition(";")
        timeout = rest.lower().partition("timeout=")[2].split(";")[0].strip()
        if timeout.isdigit() and int(timeout) > 0:
            self._keepalive_s = max(1.0, int(timeout) / 2)
        self._url = _resolve(self._base, description.control) if description.control not in ("", "*") else self._base
        self._ask("PLAY", self._url, {"Range": "npt=0.000-"})
        self._next_keepalive_at = self._now() + self._keepalive_s

    def keep_alive(self) -> None:
        """Call it often: sends the keepalive when it is due, and notices a session that the camera gave up."""
        for reply in self._wire.replies:
            if reply.status == 401 and self._credentials is not None:
                self._credentials.take(reply.headers.get("www-authenticate", []))  # a nonce that ran out
                self._next_keepalive_at = 0.0
            elif reply.status == 454:
                raise SourceError("ended", "the camera ended the session (454)")
        self._wire.replies.clear()
        if self._now() >= self._next_keepalive_at:
            self._next_keepalive_at = self._now() + self._keepalive_s
            self._send(self._keepalive_method, self._url, {})

    def tear_down(self) -> None:
        """Tell the camera that we leave; does not wait for an answer."""
        if self._session:
            self._send("TEARDOWN", self._url, {})

    def _ask(self, method: str, url: str, headers: dict[str, str] | None = None, required: bool = True) -> Reply:
        """Send a request and wait for its answer, authenticating if asked to."""
        tried = 0
        while True:
            number = self._send(method, url, headers or {})
            reply = self._await(number, method)
            if reply.status == 200 or not (required or reply.status == 401):
                return reply
            if reply.status == 401 and self._credentials is not None and tried < 2:
                offers = reply.headers.get("www-authenticate", [])
                # one refusal of the very first answer is the password's fault; a stale nonce deserves one more
                if (tried == 0 or "stale=true" in " ".join(offers).lower()) and self._credentials.take(offers):
                    tried += 1
                    continue
            cause = _STATUS_CAUSES.get(reply.status, "unknown")
            raise SourceError(cause, f"{method}: {reply.status} {reply.reason}")

    def _send(self, method: str, url: str, headers: dict[str, str]) -> int:
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", f"User-Agent: {_AGENT}"]
        authorization = self._credentials.header(method, url) if self._credentials else None
        if authorization:
            lines.append(f"Authorization: {authorization}")
        if self._session:
            lines.append(f"Session: {self._session}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        # a camera's header values come back in our requests: no line may be smuggled in with them
        text = "\r\n".join(line.replace("\r", "").replace("\n", "") for line in lines)
        self._wire.send(text + "\r\n\r\n")
        return self._number

    def _await(self, number: int, method: str) -> Reply:
        while True:
            for reply in self._wire.replies:
                if reply.get("cseq") in (str(number), ""):
                    self._wire.replies.clear()
                    self._answered = True
                    return reply
            if self._now() >= self._deadline_at:
                raise SourceError("no_answer", f"nothing came back for {method}")
            try:
                self._wire.read()
            except SourceError as error:
                if error.cause == "ended" and not self._answered:
                    raise SourceError("refused", f"{error.detail} before any answer") from error
                raise

    def _take_channels(self, transport: str) -> None:
        pair = transport.lower().partition("interleaved=")[2].split(";")[0].split("-")
        if all(part.strip().isdigit() and int(part) < 256 for part in pair):
            self.media_channel = int(pair[0])
            self.control_channel = int(pair[-1]) if len(pair) > 1 else self.media_channel + 1


def _resolve(base: str, control: str) -> str:
    """A track's URL; RTSP servers expect the control appended, where RFC 1808 would replace the last part."""
    if control.lower().startswith(("rtsp://", "rtspu://")):
        return control
    if control in ("", "*"):
        return base
    if control.startswith("/"):
        return urljoin(base.replace("rtsp://", "http://", 1), control).replace("http://", "rtsp://", 1)
    return base.rstrip("/") + "/" + control  # behind a query, too: Dahua's and others' servers want it there
