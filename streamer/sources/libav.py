"""Everything that our own RTSP client does not read: RTSP over UDP or TLS, HTTP, HLS, RTMP, MJPEG, MPEG-4, ...

libavformat does it, one frame period later than `rtsp` would. Time limits are FFmpeg's own options: PyAV's `timeout=`
takes the GIL at every poll and breaks beyond some ten cameras. A container is closed by the thread that reads it, only:
closing it under a `demux` crashes the process. So nothing here can be aborted from outside; if FFmpeg ever hangs beyond
its own time limits, the reader's watchdog ends that reader process (see ingest.watchdog).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags

from streamer.errors import SourceError
from streamer.sources.address import Address
from streamer.sources.decoder import MAX_PIXELS
from streamer.sources.failure import explain
from streamer.sources.rtp import AccessUnit
from streamer.sources.source import Encoding, Picture, Shed, Source, SourceOptions, StreamInfo

_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "http": "http,tcp,https,tls,crypto",
    "https": "http,tcp,https,tls,crypto",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tcp,tls",
}
"""What each kind of address may lead to: a playlist from the network must not open files of this machine."""
_TICKS = 90000
_ANNEXB = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_SKIPS = {"none": "DEFAULT", "nonref": "NONREF", "nonkey": "NONKEY"}


class LibavSource(Source):
    """One connection made by libavformat."""

    def __init__(self, address: Address, options: SourceOptions, stall_s: float):
        super().__init__()
        self._address = address
        self._options = options
        self._stall_s = stall_s
        self._container: Any = None
        self._packets: Iterator[Any] = iter(())
        self._stream: Any = None
        self._filter: Any = None
        self._clean = True

    def open(self, timeout_s: float) -> None:
        """See Source."""
        try:
            self._container = av.open(self._address.url, "r", options=self._libav_options(timeout_s))
        except (av.error.FFmpegError, ValueError) as error:
            raise explain(error, opened=False) from None  # the original names the URL with its password
        if not self._container.streams.video:
            raise SourceError("no_video", f"{len(self._container.streams)} other tracks")
        stream = self._stream = self._container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise SourceError("unsupported", "no decoder for this codec")
        context.thread_count = 1
        context.flags |= Flags.low_delay
        context.options = {"max_pixels": str(MAX_PIXELS)}
        rate = stream.average_rate
        fps = float(rate) if rate and 0.1 <= rate <= 1000 else None
        self.info = StreamInfo(context.name, f"libav/{self._address.scheme}", fps)
        sets = context.extradata or b""
        if context.name in _ANNEXB and sets[:1] == b"\x01":  # length-prefixed, as in FLV and MP4
            self._filter, sets = BitStreamFilterContext(_ANNEXB[context.name], stream), b""
        self.encoding = Encoding(context.name, sets, _TICKS)
        self._packets = self._container.demux(stream)

    def read(self) -> list[Picture]:
        """See Source."""
        asked_at = time.monotonic()
        try:
            packet = next(self._packets, None)
        except (av.error.FFmpegError, ValueError) as error:
            raise explain(error, opened=True) from None
        if packet is None or packet.size == 0:
            raise SourceError("ended", "the stream is over")
        now = time.monotonic()
        self.waited = now - asked_at > 0.002
        self.counts.bytes_received += packet.size
        self.counts.units += 1
        self.counts.keyframes += packet.is_keyframe
        if packet.is_keyframe:
            self._clean = True
        if packet.is_corrupt:
            self._clean = False
        if self.tap is not None:
            self._show(packet, now)
        if not self._options.decode:
            return []
        at_s = float(packet.pts * packet.time_base) if packet.pts is not None and packet.time_base else now
        if not self.ration.admits(packet.is_keyframe, at_s):
            self.counts.rationed += 1
            return []
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            self.counts.decode_errors += 1
            self._clean = False
            return []
        return [self._picture(frame, now) for frame in frames]

    def _show(self, packet: Any, now: float) -> None:
        """Give the tap what came, as Annex B; the packet itself stays as it is for the decoder."""
        assert self.tap is not None
        key, damaged = packet.is_keyframe, packet.is_corrupt
        at = packet.pts if packet.pts is not None else packet.dts
        ticks = round((now if at is None else float(at * packet.time_base)) * _TICKS)
        data = bytes(packet)
        if self._filter is not None:
            data = b"".join(bytes(part) for part in self._filter.filter(_copy(packet, data)))
        self.tap(AccessUnit(data, ticks, key, key, damaged, now))

    def shed(self, what: Shed) -> None:
        """See Source."""
        self._stream.codec_context.skip_frame = _SKIPS[what]

    def close(self) -> None:
        """See Source."""
        self._packets = iter(())
        if self._container is not None:
            with contextlib.suppress(av.error.FFmpegError):
                self._container.close()
            self._container = None

    def _picture(self, frame: Any, now: float) -> Picture:
        self.counts.decoded += 1
        if frame.is_corrupt:
            self.counts.decode_errors += 1
            self._clean = False
        # MJPEG over HTTP carries no time of its own
        pts_s = frame.time if frame.pts is not None else now
        return Picture(pts_s, now, frame, frame.key_frame, self._clean)

    def _libav_options(self, open_s: float) -> dict[str, str]:
        scheme = self._address.scheme
        limit = str(round(max(open_s, self._stall_s) * 1e6))
        options = {
            "protocol_whitelist": _PROTOCOLS.get(scheme, scheme),
            "rw_timeout": limit,
            "analyzeduration": "2000000",
            "probesize": "1000000",
        }
        if not scheme.startswith("rtmp"):
            options["timeout"] = limit  # RTMP's option of that name waits for a caller instead
        if scheme in ("rtsp", "rtsps"):
            options["rtsp_transport"] = "tcp" if scheme == "rtsps" else self._options.transport
            options["allowed_media_types"] = "video"
        return options | self._options.extra


def _copy(packet: Any, data: bytes) -> av.Packet:
    """The same packet once more: a filter takes away what it is given."""
    copy = av.Packet(data)
    copy.pts, copy.dts, copy.time_base, copy.is_keyframe = packet.pts, packet.dts, packet.time_base, packet.is_keyframe
    return copy
