"""Privacy masks: what nobody may see is black before anything else sees the picture.

Not the decoder's own picture is blackened (it needs that for the next ones) but a copy, at full size and upright; from
there come the analysed pixels, live and in replay, and all evidence. So whatever is built on a reader's picture later
cannot forget the mask. A copy of 720p costs 0.3 ms; cameras without privacy masks pay nothing. Runs in the camera's
thread; numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from streamer.sources.patch import Patch, Polygon, rasterized

_FORMATS = ("yuv420p", "yuvj420p")
"""Kept as they are; all others are converted to the first."""
_FULL_RANGE = 2
_SIZES = 4
"""Sizes for which the polygons are kept as pixels; a camera has two (full size, analysis size)."""


class Privacy:
    """The privacy masks of one camera.

    Raises:
        ValueError: there is none, or one is no polygon: then the camera must not be shown at all.
    """

    def __init__(self, polygons: Sequence[Polygon]):
        self._polygons = [np.array(polygon, np.float64) for polygon in polygons]
        for polygon in self._polygons:
            if polygon.ndim != 2 or polygon.shape[0] < 3 or polygon.shape[1] != 2 or not np.isfinite(polygon).all():
                raise ValueError(f"a privacy mask needs at least 3 points of 2 finite numbers, got {polygon.tolist()}")
        if not self._polygons:
            raise ValueError("no privacy mask")
        self._reformatter = VideoReformatter()
        self._patches: dict[tuple[int, int], list[Patch]] = {}

    def hide(self, frame: Any) -> Any:
        """A copy of an av.VideoFrame, turned upright, in which what lies in the masks is black."""
        if frame.format.name not in _FORMATS:
            frame = self._converted(frame)
        turns = frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0
        width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        hidden = av.VideoFrame(width, height, frame.format.name)
        full = frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE
        for number, (source, target) in enumerate(zip(frame.planes, hidden.planes, strict=True)):
            pixels = _pixels(target)
            pixels[:] = np.rot90(_pixels(source), turns)
            for patch in self._at(width, height):
                if number == 0:
                    np.copyto(pixels[patch.rows, patch.columns], 0 if full else 16, where=patch.inside)
                else:
                    _gray(pixels, patch)
        hidden.color_range, hidden.colorspace = frame.color_range, frame.colorspace
        return hidden

    def visible(self, width: int, height: int) -> NDArray[np.bool_]:
        """Which pixels of an upright picture of this size are shown, bool (height, width)."""
        shown = np.ones((height, width), np.bool_)
        for patch in self._at(width, height):
            shown[patch.rows, patch.columns] &= ~patch.inside
        return shown

    def _converted(self, frame: Any) -> Any:
        rotation = frame.rotation
        converted = self._reformatter.reformat(frame, format=_FORMATS[0], interpolation=Interpolation.AREA, threads=1)
        return _Turned(converted, rotation) if rotation != converted.rotation else converted

    def _at(self, width: int, height: int) -> list[Patch]:
        found = self._patches.get((width, height))
        if found is None:
            if len(self._patches) >= _SIZES:
                self._patches.clear()
            found = [rasterized(polygon, width, height) for polygon in self._polygons]
            self._patches[width, height] = found
        return found


class _Turned:
    """A converted picture that keeps what its original said of its rotation."""

    def __init__(self, frame: Any, rotation: int):
        self.rotation = rotation
        self._frame = frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frame, name)


def _gray(chroma: NDArray[np.uint8], patch: Patch) -> None:
    """Take the color of every 2x2 pixels of which one is hidden."""
    top, left = patch.rows.start // 2, patch.columns.start // 2
    bottom, right = -(-patch.rows.stop // 2), -(-patch.columns.stop // 2)
    whole = np.zeros(((bottom - top) * 2, (right - left) * 2), np.bool_)
    down, across = patch.rows.start - top * 2, patch.columns.start - left * 2
    whole[down : down + patch.inside.shape[0], across : across + patch.inside.shape[1]] = patch.inside
    any_hidden: Any = whole.reshape(bottom - top, 2, right - left, 2).any(axis=(1, 3))
    part = chroma[top:bottom, left:right]
    np.copyto(part, 128, where=any_hidden[: part.shape[0], : part.shape[1]])


def _pixels(plane: Any) -> NDArray[np.uint8]:
    """uint8 (height, width), a view."""
    rows: NDArray[np.uint8] = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
