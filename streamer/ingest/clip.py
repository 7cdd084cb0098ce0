"""Video evidence: what the camera sent, put into an MP4 file as it is. Nothing is decoded but its first picture.

Written under another name, flushed to the disk and only then given its own: a clip is there whole or not at all,
whatever happens in between. Runs in the reader's clip thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
from fractions import Fraction
from pathlib import Path

import av
import av.error

from streamer.errors import SourceError
from streamer.ingest.still import size_of
from streamer.ingest.strip import Strip

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def write_clip(strip: Strip, path: Path) -> None:
    """Write a strip as MP4.

    Raises:
        SourceError: ``corrupt`` when its first picture cannot be decoded, ``unsupported`` for a codec that MP4 lacks.
        OSError: the file could not be written; nothing of it is left.
    """
    size = size_of(strip)
    if size is None:
        raise SourceError("corrupt", "its first picture cannot be decoded")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _mux(strip, size, temporary)
        _verify(strip, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) or getattr(error, "errno", None) in _DISK:
            raise OSError(getattr(error, "errno", None) or errno.EIO, str(error)) from error
        raise SourceError("unsupported", f"{strip.encoding.codec} cannot be put into MP4: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _mux(strip: Strip, size: tuple[int, int], path: Path) -> None:
    encoding = strip.encoding
    unit_time = Fraction(1, encoding.clock_rate)
    shown, decoded = _stamps(strip)
    # faststart: a browser can begin to play before it has the whole file
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_mux_stream(encoding.codec, width=size[0], height=size[1])
        stream.time_base = unit_time
        for i, unit in enumerate(strip.units):
            # the file takes its description from the first picture: cameras may have told it before that only
            packet = av.Packet(encoding.parameter_sets + unit.data if i == 0 else unit.data)
            packet.pts, packet.dts, packet.time_base = shown[i], decoded[i], unit_time
            # without it the last picture would last for no time, and players leave it out
            after = decoded[i + 1] if i + 1 < len(decoded) else 2 * decoded[i] - decoded[max(0, i - 1)]
            packet.duration = after - decoded[i]
            packet.is_keyframe = unit.startable
            packet.stream = stream
            container.mux(packet)


def _stamps(strip: Strip) -> tuple[list[int], list[int]]:
    """When each picture is shown and decoded, in ticks from the first shown; a file wants both, RTP tells one.

    Decoding times are the sorted times of showing, moved early enough that nothing is shown before it is decoded.
    """
    rate, first = strip.encoding.clock_rate, min(strip.times)
    shown = [round((time - first) * rate) for time in strip.times]
    ordered: list[int] = []
    for at in sorted(shown):
        ordered.append(max(at, ordered[-1] + 1) if ordered else at)
    early = max(0, *(due - at for due, at in zip(ordered, shown, strict=True))) if shown else 0
    return shown, [at - early for at in ordered]


def _verify(strip: Strip, path: Path) -> None:
    """All of it is in the file: libavformat does not tell of each write that failed (OSError)."""
    with av.open(str(path)) as container:
        there = sum(packet.size > 0 for packet in container.demux(video=0))
    if there != len(strip.units):
        raise OSError(errno.EIO, f"{there} of {len(strip.units)} pictures are in the file")


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
