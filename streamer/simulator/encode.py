"""Pictures into H.264 or H.265 the way an IP camera does it: no B-frames, no look-ahead, a fixed keyframe interval.

Called by `build` for scenes and by `variant` for misbehavior that needs other pictures. One thread an encoder, so
that the same pictures give the same bytes with the same libraries. PyAV (libx264, libx265) is imported on use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError
from streamer.simulator.reel import CODECS, Coded, Reel, make_reel

_ENCODERS = {"h264": "libx264", "h265": "libx265"}
_PRESETS = {"h264": "superfast", "h265": "ultrafast"}
"""As much as a camera's own encoder does: CABAC and deblocking, one reference; as dear to decode as slower presets."""
_FLOW = {
    "h264": "keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:repeat-headers=1:force-cfr=1",
    "h265": "keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes=0:repeat-headers=1:pools=none:frame-threads=1"
    ":info=0:log-level=error",
}


@dataclass(frozen=True, slots=True)
class Coding:
    """How pictures are to be encoded."""

    codec: str
    width: int
    height: int
    fps: float
    gop: int
    """Frames from keyframe to keyframe."""
    bitrate: int
    """Bits a second, held within one second of buffer."""

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise InputError(f"codec {self.codec!r} is not one of {', '.join(CODECS)}")
        if self.width % 2 or self.height % 2 or self.width < 64 or self.height < 64:
            raise InputError(f"size {self.width}x{self.height} cannot be encoded: use even numbers of at least 64")


class Encoder:
    """Encodes one stream, a picture at a time; each comes out at once. Not thread-safe."""

    def __init__(self, coding: Coding):
        import av

        encoder = av.CodecContext.create(_ENCODERS[coding.codec], "w")
        rate = Fraction(coding.fps).limit_denominator(1001)
        encoder.width, encoder.height, encoder.pix_fmt = coding.width, coding.height, "yuv420p"
        encoder.framerate, encoder.time_base = rate, 1 / rate
        encoder.gop_size, encoder.max_b_frames, encoder.bit_rate = coding.gop, 0, coding.bitrate
        encoder.thread_count = 1
        encoder.options = {
            "preset": _PRESETS[coding.codec],
            "tune": "zerolatency",
            "forced-idr": "1",
            "maxrate": str(coding.bitrate),
            "bufsize": str(coding.bitrate),
            "x264-params" if coding.codec == "h264" else "x265-params": _FLOW[coding.codec].format(gop=coding.gop),
        }
        self._encoder = encoder
        self._number = 0

    def encode(self, picture: NDArray[np.uint8], key: bool = False, number: int | None = None) -> list[Coded]:
        """Encode an I420 picture, uint8 (height * 3 / 2, width).

        Args:
            picture: the next one.
            key: let it be a keyframe, whatever the interval says.
            number: its place in time, in frames; left-out ones are skipped. None: the one after the last.
        """
        import av
        from av.video.frame import PictureType

        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = self._number = self._number if number is None else number
        if key:
            frame.pict_type = PictureType.I
        self._number += 1
        return _coded(self._encoder.encode(frame))

    def flush(self) -> list[Coded]:
        """What is still inside, at the end."""
        return _coded(self._encoder.encode(None))


def encode(pictures: Iterable[NDArray[np.uint8]], coding: Coding) -> Iterator[Coded]:
    """Encode I420 pictures, uint8 (height * 3 / 2, width), in order; yields one coded picture for each."""
    encoder, empty = Encoder(coding), True
    for picture in pictures:
        yield from encoder.encode(picture)
        empty = False
    if not empty:
        yield from encoder.flush()


def _coded(packets: Iterable[Any]) -> list[Coded]:
    return [Coded(bytes(packet), packet.is_keyframe, packet.pts) for packet in packets]


def encode_reel(pictures: Iterable[NDArray[np.uint8]], coding: Coding) -> Reel:
    """Encode pictures and cut them into packets, ready to be looped."""
    return make_reel(coding.codec, (coding.width, coding.height), coding.fps, encode(pictures, coding))
