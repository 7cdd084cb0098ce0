"""Pictures of a video file in order of time, whatever its container says; what `file` and `clip` are made of.

Containers promise more frames than they have, give no times or repeat them (MSMPEG4 in AVI, GIF), carry sound beside
the pictures and rotation in a matrix, and end in the middle of a frame. Here all of that becomes pictures with times
that rise from 0, and a `fault` that says what was wrong. Deterministic: one decoding thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from streamer.errors import SourceError
from streamer.sources.decoder import MAX_PIXELS
from streamer.sources.failure import explain

_FALLBACK_FPS = 25.0


class Recording:
    """One opened file.

    Args:
        path: the file.

    Raises:
        SourceError: ``file`` when it cannot be opened, ``no_video`` when it holds none.
    """

    def __init__(self, path: Path):
        self.path = path
        self.fault: str | None = None
        """What was wrong with the file, once it was read; None if nothing."""
        self.skipped = 0
        """Packets that could not be decoded."""
        try:
            # a playlist or an SDP that poses as a recording must not reach for the network
            self._container = av.open(str(path), "r", options={"protocol_whitelist": "file,crypto,data"})
        except (av.error.FFmpegError, ValueError) as error:
            raise SourceError("file", f"{path}: {explain(error, opened=False).detail}") from error
        try:
            stream = self._container.streams.best("video")
            context = None if stream is None else stream.codec_context
            if stream is None:
                raise SourceError("no_video", f"{path} has no video track")
            if context is None or not context.width:
                raise SourceError("unsupported", f"{path}: no decoder for its video")
        except SourceError:
            self._container.close()
            raise
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}
        self._stream = stream
        self.width, self.height = context.width, context.height
        self.codec: str = context.name
        rate = stream.average_rate or stream.guessed_rate
        self.fps = float(rate) if rate and 0.1 <= rate <= 1000 else _FALLBACK_FPS
        """Mean frames a second by what the container says; an estimate."""
        self.duration_s = self._duration()
        """Length in seconds by what the container says; an estimate; 0.0 if it does not say."""
        self.promised = int(stream.frames or 0)
        """Pictures by what the container says; 0 if it does not say."""
        self.sounds = len(self._container.streams.audio)
        """Tracks of sound."""

    def pictures(self) -> Iterator[tuple[float, Any]]:
        """(seconds from the first picture, av.VideoFrame) in order of time; ends with what there is (see `fault`)."""
        first = last = None
        unit = self._stream.time_base
        for frame in self._frames():
            # not frame.time: it is NaN for the last pictures, which no packet brings
            guess = 0.0 if last is None else last + 1 / self.fps
            pts_s = guess if frame.pts is None else float(frame.pts * unit)
            if last is not None and pts_s <= last:
                pts_s = last + 0.5 / self.fps  # a repeated or lost time: the order is what counts
            last = pts_s
            first = pts_s if first is None else first
            yield pts_s - first, frame
        if last is None:
            raise SourceError("file", f"{self.path}: no picture could be decoded" + _because(self.fault))

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _frames(self) -> Iterator[Any]:
        # an own loop: `container.decode` ends at the first broken packet, and what follows may be whole
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, ValueError) as error:
                self.fault = f"ends in the middle: {explain(error, opened=True).detail}"
                packet = None
            try:
                yield from self._stream.codec_context.decode(packet if packet is not None and packet.size else None)
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError) as error:
                self.skipped += 1
                self.fault = f"{self.skipped} packets cannot be decoded: {explain(error, opened=True).detail}"
            if packet is None or packet.size == 0:
                return

    def _duration(self) -> float:
        stream = self._stream
        if stream.duration and stream.time_base:
            return max(0.0, float(stream.duration * stream.time_base))
        return max(0.0, self._container.duration / 1_000_000) if self._container.duration else 0.0


def _because(fault: str | None) -> str:
    return f" ({fault})" if fault else ""
