"""Cuts a stretch out of a video file: by copying packets where a keyframe lies at its start, else by re-encoding.

Sound is left out: nothing here learns from it, and it is what people most mind being kept.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.error

from streamer.errors import SourceError
from streamer.sources.failure import explain

KEYFRAME_S = 0.25
"""How far before the start a keyframe may lie for the packets to be copied, seconds."""
_SEEK_S = 5.0  # seconds before the start to which is sought: its keyframe lies before that
_INDEXED = ("mp4", "matroska")
_COPIED = ("h264", "hevc", "mpeg4")  # codecs that MP4 carries and everything plays
_CRF = "16"  # of x264: differences that a network does not see
_RATES = Fraction(1, 10), Fraction(240)

How = Literal["copied", "encoded"]


def cut(source: Path, out: Path, start_s: float = 0.0, end_s: float | None = None) -> How:
    """Write a stretch of a file as MP4 without sound; atomic.

    Args:
        source: any file that FFmpeg reads.
        out: where to; its folder exists.
        start_s: seconds from the first picture.
        end_s: None: to the end.

    Returns:
        Whether its packets were copied, which keeps every bit and begins up to KEYFRAME_S early, or encoded anew.

    Raises:
        SourceError: it cannot be read, or has no picture within those times.
        OSError: it cannot be written.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        first_s = _first_picture(source)
        begin_s, stop_s = first_s + start_s, math.inf if end_s is None else first_s + end_s
        how: How = "encoded"
        if _copy(source, part, begin_s, stop_s):
            how = "copied"
        else:
            _encode(source, part, begin_s, stop_s)
        part.replace(out)
        return how
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (28, 13, 30):  # no space, no permission, read-only
            raise
        raise SourceError("file", f"{source}: {explain(error, opened=True).detail}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tuple[Any, Any]]:
    try:
        container = av.open(str(source), "r", options={"protocol_whitelist": "file,crypto,data"})
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError("file", f"{source}: {explain(error, opened=False).detail}") from error
    with container:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None or not stream.codec_context.width:
            raise SourceError("no_video", f"{source} has no video that can be decoded")
        yield container, stream


def _first_picture(source: Path) -> float:
    """Seconds of the first picture on the file's own clock."""
    with _opened(source) as (container, stream):
        for frame in container.decode(stream):
            return 0.0 if frame.pts is None else float(frame.pts * stream.time_base)
    raise SourceError("file", f"{source}: no picture could be decoded")


def _seek(container: Any, stream: Any, begin_s: float) -> None:
    """Leave out what lies far before. A file without an index is read through: its keyframes can only be guessed."""
    indexed = any(name in container.format.name.split(",") for name in _INDEXED)
    if indexed and begin_s > 2 * _SEEK_S:
        with contextlib.suppress(av.error.FFmpegError):
            container.seek(int((begin_s - _SEEK_S) / stream.time_base), stream=stream, backward=True)


def _copy(source: Path, part: Path, begin_s: float, stop_s: float) -> bool:
    """Copy the packets if a keyframe lies near enough before the start, and all of them have times."""
    with _opened(source) as (container, stream):
        if stream.codec_context.name not in _COPIED:
            return False
        _seek(container, stream, begin_s)
        packets: list[tuple[float, Any]] = []
        key_s: float | None = None
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.dts is None:
                return False
            at_s = float(packet.pts * stream.time_base)
            if packet.is_keyframe and at_s <= begin_s + 1e-6:
                packets, key_s = [], at_s  # a later keyframe is nearer
            if packet.is_keyframe and at_s >= stop_s:
                break
            packets.append((at_s, packet))
        if key_s is None or begin_s - key_s > KEYFRAME_S:
            return False
        kept = _until(packets, stop_s)
        if not kept:
            return False
        zero = min(packet.dts for packet in kept)
        with av.open(str(part), "w", format="mp4") as target:
            copied = target.add_stream_from_template(stream)
            for packet in kept:
                packet.pts, packet.dts = packet.pts - zero, packet.dts - zero
                packet.stream = copied
                target.mux(packet)
    return True


def _until(packets: list[tuple[float, Any]], stop_s: float) -> list[Any]:
    """The packets in order of decoding up to the last one that is shown before the end."""
    last = max((i for i, (at_s, _) in enumerate(packets) if at_s < stop_s - 1e-6), default=-1)
    return [packet for _, packet in packets[: last + 1]]


def _encode(source: Path, part: Path, begin_s: float, stop_s: float) -> None:
    with _opened(source) as (container, stream), av.open(str(part), "w", format="mp4") as target:
        stream.codec_context.thread_count = 1
        _seek(container, stream, begin_s)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        rate = min(max(Fraction(rate), _RATES[0]), _RATES[1])
        made: Any = None
        zero = last = -1
        unit = Fraction(1, 90000)
        for frame in container.decode(stream):
            at_s = (last + 1) / 90000 if frame.pts is None else float(frame.pts * stream.time_base)
            if at_s < begin_s - 1e-6:
                continue
            if at_s >= stop_s - 1e-6:
                break
            if made is None:
                made, zero = _encoder(target, frame, rate, unit), round(at_s * 90000)
            picture = frame.reformat(made.width, made.height, "yuv420p")
            picture.pts, picture.time_base = max(last + 1, round(at_s * 90000) - zero), unit
            picture.pict_type = 0
            last = picture.pts
            target.mux(made.encode(picture))
        if made is None:
            raise SourceError("file", f"{source}: no picture between {begin_s:g} s and {stop_s:g} s")
        target.mux(made.encode(None))


def _encoder(target: Any, frame: Any, rate: Fraction, unit: Fraction) -> Any:
    names = [name for name in ("libx264", "mpeg4") if name in av.codecs_available]
    made = target.add_stream(names[0], rate=rate)
    made.width, made.height, made.pix_fmt = frame.width // 2 * 2, frame.height // 2 * 2, "yuv420p"
    made.time_base = made.codec_context.time_base = unit
    made.options = {"crf": _CRF, "preset": "veryfast"} if names[0] == "libx264" else {"qscale": "2"}
    return made
