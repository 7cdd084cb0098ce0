"""The picture of one instant, out of encoded ones: decoded from the keyframe before it, at the stream's own size.

Runs in the reader's snapshot thread, within a time limit: a keyframe may lie ten seconds of 4K back, and the alert does
not wait for that.
"""

from __future__ import annotations

import time
from typing import Any

import av
import av.error

from streamer.ingest.strip import Strip, window
from streamer.sources.decoder import MAX_PIXELS

_AFTER_SECONDS = 0.25
"""How far beyond the instant is decoded: the nearest picture may be a later one."""


class TooSlow(Exception):
    """The picture could not be decoded in time."""


def nearest(strip: Strip, at: float, limit_s: float) -> tuple[Any, float] | None:
    """The decoded picture that was captured nearest to an instant.

    Args:
        strip: encoded pictures.
        at: CLOCK_MONOTONIC.
        limit_s: seconds that this may take.

    Returns:
        (av.VideoFrame, when it was captured); None if nothing could be decoded.

    Raises:
        TooSlow: the limit has passed.
    """
    cut = window(strip, at, at + _AFTER_SECONDS)
    deadline_at = time.monotonic() + limit_s
    context = _decoder(cut)
    best: tuple[Any, float] | None = None
    for i in range(len(cut.units) + 1):
        if time.monotonic() > deadline_at:
            raise TooSlow
        for frame, captured_at in _decode(context, cut, i):
            if best is None or abs(captured_at - at) < abs(best[1] - at):
                best = (frame, captured_at)
            elif captured_at > at:
                return best
    return best


def size_of(strip: Strip) -> tuple[int, int] | None:
    """Width and height of the first picture, by decoding it; None if it cannot be decoded."""
    context = _decoder(strip)
    for i in (0, len(strip.units)):
        for frame, _ in _decode(context, strip, i):
            return frame.width, frame.height
    return None


def _decoder(strip: Strip) -> Any:
    context: Any = av.CodecContext.create(strip.encoding.codec, "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    if strip.encoding.parameter_sets:
        context.extradata = strip.encoding.parameter_sets
    return context


def _decode(context: Any, strip: Strip, i: int) -> list[tuple[Any, float]]:
    """Feed the i-th unit (or the end, beyond the last); what comes out, each with its time."""
    packet = None
    if i < len(strip.units):
        packet = av.Packet(strip.units[i].data)
        packet.pts = i
    try:
        frames = context.decode(packet)
    except (av.error.FFmpegError, ValueError):
        return []
    return [
        (frame, strip.times[min(frame.pts if frame.pts is not None else i, len(strip.times) - 1)]) for frame in frames
    ]
