"""H.264 and H.265 pictures out of access units, without delay: libavcodec fed directly, one thread, low delay.

No frame threads: each of them holds a picture back. The GIL is released while libavcodec works, so cameras decode in
parallel in their own threads. Called by `rtsp`; the only other doors to av are `libav`, `file` and `scaler`.
"""

from __future__ import annotations

import time
from fractions import Fraction

import av
import av.error
from av.codec.context import Flags

from streamer.errors import SourceError
from streamer.sources.ration import Ration
from streamer.sources.rtp import AccessUnit
from streamer.sources.source import Counts, Picture, Shed

MAX_PIXELS = 8192 * 8192
"""Largest picture that is decoded; libavcodec refuses more before it allocates anything."""
CODECS = {"h264": "h264", "h265": "hevc"}
"""What a description calls a codec, and libavcodec's name of it."""
_HEAL_SECONDS = 2.0
"""Errors live on in all that is predicted from them until a keyframe. After this long without one, pictures that are
whole themselves count again: cameras send keyframes as rarely as every 10 s, and a smeared corner blinds nobody."""
_START_SECONDS = 4.0
_SKIPS = {"none": "DEFAULT", "nonref": "NONREF", "nonkey": "NONKEY"}


class Decoder:
    """Decodes one stream.

    Args:
        codec: ``h264`` or ``h265``.
        parameter_sets: Annex B parameter sets from the description, if any.
        clock_rate: ticks a second of the units' timestamps.
        counts: what it counts into.
        ration: which pictures are decoded; None: all.
    """

    def __init__(
        self, codec: str, parameter_sets: bytes, clock_rate: int, counts: Counts, ration: Ration | None = None
    ):
        if codec not in CODECS:
            raise SourceError("unsupported", f"codec {codec[:20]!r}")
        context = av.CodecContext.create(CODECS[codec], "r")
        context.thread_count = 1
        context.flags |= Flags.low_delay
        context.options = {"max_pixels": str(MAX_PIXELS)}
        if parameter_sets:
            context.extradata = parameter_sets
        self._context = context
        self._counts = counts
        self._ration = ration or Ration()
        self._clock_rate = clock_rate
        self._time_base = Fraction(1, clock_rate)
        self._began_at: float | None = None
        self._started = False
        self._tainted_at: float | None = None
        self._shed: Shed = "none"
        self._wanted: Shed = "none"

    @property
    def fps(self) -> float | None:
        """Frames a second as the parameter sets announce them, once known."""
        rate = self._context.framerate
        return float(rate) if rate and 0.1 <= rate <= 1000 else None

    def shed(self, what: Shed) -> None:
        """Leave out pictures from the next one on; full decoding resumes at a keyframe only."""
        self._wanted = what

    def decode(self, unit: AccessUnit) -> list[Picture]:
        """The pictures that are complete with this unit: usually one, none before the first keyframe."""
        counts = self._counts
        counts.units += 1
        counts.keyframes += unit.key
        if not self._may_start(unit):
            counts.waiting += 1
            return []
        self._turn(unit)
        if unit.key:
            self._ration.began_at = unit.arrived_at
        late_s = time.monotonic() - unit.arrived_at
        if not self._ration.admits(unit.key, unit.ticks / self._clock_rate, late_s):
            counts.rationed += 1
            return []
        if self._shed == "nonkey" and not unit.key:
            counts.shed_nonkey += 1
            return []
        if unit.key and not unit.damaged:
            self._tainted_at = None
        elif unit.damaged:
            self._taint(unit)
        packet = av.Packet(unit.data)
        packet.pts = unit.ticks
        packet.time_base = self._time_base
        try:
            frames = self._context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            counts.decode_errors += 1
            self._taint(unit)
            return []
        if not frames and self._shed == "nonref":
            counts.shed_nonref += 1
        return [self._picture(frame, unit) for frame in frames]

    def _picture(self, frame: av.VideoFrame, unit: AccessUnit) -> Picture:
        self._counts.decoded += 1
        # with B-frames the picture is an older unit's, and so is the time that libavcodec hands through
        ticks = unit.ticks if frame.pts is None else frame.pts
        broken = frame.is_corrupt
        if broken:
            self._counts.decode_errors += 1
            self._taint(unit)
        tainted_s = 0.0 if self._tainted_at is None else unit.arrived_at - self._tainted_at
        clean = not broken and not unit.damaged and (self._tainted_at is None or tainted_s > _HEAL_SECONDS)
        return Picture(ticks / self._clock_rate, unit.arrived_at, frame, frame.key_frame, clean)

    def _taint(self, unit: AccessUnit) -> None:
        if self._tainted_at is None:
            self._tainted_at = unit.arrived_at

    def _may_start(self, unit: AccessUnit) -> bool:
        if not self._started:
            if self._began_at is None:
                self._began_at = time.monotonic()
            # a stream without any keyframe may refresh gradually: after a while the decoder decides by itself
            self._started = unit.startable or time.monotonic() - self._began_at > _START_SECONDS
        return self._started

    def _turn(self, unit: AccessUnit) -> None:
        """Change what is left out; what was left out is missing to others until a keyframe comes."""
        if self._wanted != self._shed and (self._shed != "nonkey" or unit.key):
            self._shed = self._wanted
            self._context.skip_frame = _SKIPS[self._shed]
