"""RTSP cameras with H.264 or H.265 over TCP: the usual case, read by our own client because libavformat adds 66 ms.

Measured (720p15, 2 Mbit/s, loopback, from the instant the server sends a frame to its decoded picture, median): every
set of libavformat's options 69 ms, this client 2.4 ms; see docs/ingest.md. libavformat's RTSP demuxer hands all H.264
to its parser (AVSTREAM_PARSE_FULL), which ends an access unit when it sees the next one begin: one frame period later.
Here the marker bit of RTP ends it. Opening takes one exchange of messages (10 ms) instead of 1.9 s of probing.

Runs in a camera's thread. What it cannot do (UDP, TLS, other codecs) raises ``unsupported``; `live` then asks `libav`.
"""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass

from streamer.errors import SourceError
from streamer.sources.address import Address
from streamer.sources.decoder import CODECS, Decoder
from streamer.sources.dialog import Dialog
from streamer.sources.nal import H264, H265
from streamer.sources.rtp import AccessUnit, Receiver, SenderReport
from streamer.sources.source import Encoding, Picture, Shed, Source, StreamInfo
from streamer.sources.wire import Wire, connect


@dataclass(slots=True)
class _Link:
    """What an open session consists of."""

    wire: Wire
    dialog: Dialog
    receiver: Receiver
    decoder: Decoder


class RtspSource(Source):
    """One RTSP session over TCP."""

    def __init__(self, address: Address, decode: bool = True):
        super().__init__()
        self._address = address
        self._decode = decode
        self._aborted = False
        self._socket: socket.socket | None = None
        self._link: _Link | None = None
        self._seen = (0, 0, 0)
        self.clock_rate = 90000
        """Ticks a second of the timestamps."""

    def open(self, timeout_s: float) -> None:
        """See Source."""
        deadline_at = time.monotonic() + timeout_s
        self._socket = connect(self._address.host, self._address.port, timeout_s)
        if self._aborted:
            raise SourceError("ended", "given up while connecting")
        wire = Wire(self._socket, self._take)
        dialog = Dialog(wire, self._address, deadline_at)
        description = dialog.describe()
        video = description.video
        decoder = Decoder(video.codec, video.parameter_sets, video.clock_rate, self.counts, self.ration)
        units = H265(video.donl) if video.codec == "h265" else H264()
        self._link = _Link(wire, dialog, Receiver(units, video.payload_type), decoder)
        self.clock_rate = video.clock_rate
        self.info = StreamInfo(video.codec, "rtsp/tcp", video.fps)
        self.encoding = Encoding(CODECS[video.codec], video.parameter_sets, video.clock_rate)
        dialog.play(description)
        self._count(self._link)  # media may have come with the answer

    def read(self) -> list[Picture]:
        """See Source."""
        link = self._link
        if link is None:
            raise SourceError("unknown", "read before it was opened")
        receiver = link.receiver
        if not receiver.units:
            link.wire.read()
            self.waited = link.wire.waited
            link.dialog.keep_alive()
            self._count(link)
        # one at a time: a full buffer holds a second of pictures, which decoded at once would take 20 MB a camera at
        # 720p, for ever (libavcodec's pools never shrink), and the first of them would wait for the last
        units, tap = receiver.units, self.tap
        while units:
            unit = units.pop(0)
            if tap is not None:
                tap(unit)
            if not self._decode:
                self._pass(unit)
                continue
            pictures = link.decoder.decode(unit)
            if pictures:
                return pictures
        return []

    def _pass(self, unit: AccessUnit) -> None:
        self.counts.units += 1
        self.counts.keyframes += unit.key

    def _count(self, link: _Link) -> None:
        receiver, counts = link.receiver, self.counts
        seen, self._seen = self._seen, (link.wire.bytes_received, receiver.packets, receiver.lost)
        counts.bytes_received += self._seen[0] - seen[0]
        counts.packets += self._seen[1] - seen[1]
        counts.packets_lost += self._seen[2] - seen[2]

    @property
    def report(self) -> SenderReport | None:
        """The camera's latest word on what time it is."""
        return self._link.receiver.report if self._link else None

    @property
    def fps(self) -> float | None:
        """Announced frames a second: by the description, or by the stream's own parameter sets."""
        return self.info.fps or (self._link.decoder.fps if self._link else None)

    def shed(self, what: Shed) -> None:
        """See Source."""
        if self._link is not None:
            self._link.decoder.shed(what)

    def abort(self) -> None:
        """See Source."""
        self._aborted = True
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See Source."""
        if self._link is not None and not self._aborted:
            with contextlib.suppress(SourceError):
                self._link.dialog.tear_down()
        if self._socket is not None:
            self._socket.close()

    def _take(self, data: memoryview, at: int, after: int, end: int) -> int:
        link = self._link
        if link is None:
            return after
        channel, receiver = data[at + 1], link.receiver
        if channel == link.dialog.media_channel:
            receiver.push(data, at + 4, after, link.wire.read_at)
            return receiver.push_middle(data, after, end, channel)
        if channel == link.dialog.control_channel:
            receiver.push_control(data[at + 4 : after], link.wire.read_at)
        return after
