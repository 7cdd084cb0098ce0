"""A picture to draw on, in full size, and the smaller ones before it that a detector has to see.

Live pictures come through the very sources that the daemon reads, recordings through those of replay. Blocking; runs in
the command's thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError, SourceError
from streamer.sources.address import Address, file_path
from streamer.sources.live import open_live
from streamer.sources.recording import Recording
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import Scaler
from streamer.sources.source import Source, SourceOptions

_OPEN_S, _SILENCE_S = 10.0, 10.0
_WHOLE = 1 << 15
"""A box that no picture exceeds."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    at_s: float = 0.0
    """The picture so many seconds after the first one."""
    fps: float = 5.0
    """Rate of the smaller pictures before it."""
    before_s: float = 0.0
    """How long before it they begin."""
    box: tuple[int, int] = (416, 416)
    """What they are scaled into, pixels."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen."""

    pixels: Pixels
    """uint8 (H, W, 3) RGB, full size."""
    at_s: float
    """Its time, seconds after the first picture."""
    sampled: tuple[tuple[float, Pixels], ...]
    """(time, uint8 RGB) of the smaller pictures, the last of which is the same picture."""


def from_file(path: Path, wanted: Wanted) -> Look:
    """A picture of a recording.

    Raises:
        InputError: `wanted.at_s` is beyond its end.
        SourceError: it cannot be read.
    """
    with closing(Recording(path)) as recording:
        look, last_s = _watch(recording.pictures(), wanted)
        if look is None:
            raise InputError(f"preview: --at {wanted.at_s:g}: {path} ends at {last_s:.1f} s")
        return look


def from_camera(address: Address, transport: str, wanted: Wanted) -> Look:
    """A picture of a live camera; one that plays a file shows that file's.

    Raises:
        SourceError: with the cause.
    """
    if address.scheme == "file":
        return from_file(file_path(address), wanted)
    opened: list[Source] = []
    try:
        source = open_live(address, SourceOptions(transport), _OPEN_S, _SILENCE_S, opened.append)
        look, _ = _watch(_live(source), wanted)
        assert look is not None  # a live camera goes on, or raises
        return look
    finally:
        for source in opened:
            source.close()


def _live(source: Source) -> Iterator[tuple[float, Any]]:
    """(seconds from the first one, av.VideoFrame) of whole pictures, for ever."""
    first = None
    heard_at = time.monotonic()
    while True:
        pictures = [picture for picture in source.read() if picture.clean]
        for picture in pictures:
            first = picture.pts_s if first is None else first
            yield picture.pts_s - first, picture.frame
        now = time.monotonic()
        heard_at = now if pictures else heard_at
        if now - heard_at > _SILENCE_S:
            raise SourceError("stalled", f"no whole picture for {_SILENCE_S:g} s")


def _watch(pictures: Iterator[tuple[float, Any]], wanted: Wanted) -> tuple[Look | None, float]:
    """The picture at the time that is asked for, and the time of the last one that was seen."""
    sampler, small = Sampler(wanted.fps), Scaler(*wanted.box)
    kept = max(1, round(wanted.before_s * wanted.fps) + 1)
    sampled: deque[tuple[float, Pixels]] = deque(maxlen=kept)
    at_s = 0.0
    for at_s, frame in pictures:
        there = at_s >= wanted.at_s - 1e-6
        if there or (at_s >= wanted.at_s - wanted.before_s and sampler.take(at_s)):
            sampled.append((at_s, np.ascontiguousarray(small.rgb(frame))))
        if there:
            return Look(np.ascontiguousarray(Scaler(_WHOLE, _WHOLE).rgb(frame)), at_s, tuple(sampled)), at_s
    return None, at_s
