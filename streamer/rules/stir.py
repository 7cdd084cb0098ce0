"""What stirs in the picture: where it changed just now, and where it differs from an earlier one.

Needs no learnt background, so it knows of a fall in the first second. A picture is kept as means of cells of some 4x4
pixels; what stirs is where it differs from the one about 0.2 s ago. Light that changes everywhere by one factor is no
change. Numpy only: the engine has no OpenCV. Memory: two dozen pictures of 25 kB a camera. Called by `fall`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.rules.cells import cell_sums

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

_WIDTH = 104
_APART_S = 0.15
"""Pictures that are compared are at least so far apart: at 15 a second somebody hardly moves from one to the next."""
_KEEP_S, _SPACED_S, _MOST = 3.2, 0.3, 16
"""Older pictures are kept so long, so far apart, and at most so many."""
_CONTRAST = 14.0
"""Least difference of a channel, in levels, that is a change: the noise of a mean of 16 pixels is far below."""
_EVERYWHERE = 0.5
"""A change of more of the picture is one of light or view."""
_TOP_SHARE = 0.06
"""So much of what stirs may lie above what is called its top: flicker and the hands."""


class Stirring(NamedTuple):
    """What stirs in a part of the picture."""

    mass: float
    """Its area in squared frame heights."""
    top: float
    bottom: float
    """Its upper and lower end, fractions of the frame."""
    left: float
    right: float
    """Its ends, fractions of the frame."""

    @property
    def x(self) -> float:
        """Its middle."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Means of cells at one time."""

    known: float
    cells: NDArray[np.uint8]
    """(h, w, 3)."""


class Stir:
    """The last pictures of one camera."""

    def __init__(self) -> None:
        self._kept: deque[Picture] = deque(maxlen=_MOST)
        self._recent: deque[Picture] = deque(maxlen=12)
        self.now: Picture | None = None
        self.mask: Mask | None = None
        """Cells that stir, bool (h, w); None: nobody can say (the first picture, or all of it changed)."""

    def look(self, pixels: NDArray[np.uint8], known: float) -> None:
        """Move to the next picture.

        Args:
            pixels: uint8 (H, W, 3).
            known: known time, seconds.
        """
        now = Picture(known, _cells(pixels))
        if self.now is not None and self.now.cells.shape != now.cells.shape:
            self._kept.clear()
            self._recent.clear()
        before = next((p for p in reversed(self._recent) if known - p.known >= _APART_S - 1e-6), None)
        self._recent.append(now)
        self.now, self.mask = now, None
        if before is not None:
            mask = _clean(differs(now, before))
            self.mask = mask if float(mask.mean()) < _EVERYWHERE else None
        if not self._kept or known - self._kept[-1].known >= _SPACED_S - 1e-6:
            self._kept.append(now)
        while self._kept and known - self._kept[0].known > _KEEP_S:
            self._kept.popleft()

    def at(self, known: float) -> Picture | None:
        """The last picture that is kept from before a known time; the oldest if there is none."""
        older = [picture for picture in self._kept if picture.known <= known + 1e-6]
        return older[-1] if older else (self._kept[0] if self._kept else None)

    def within(self, box: Box, without: Mask | None = None) -> Stirring | None:
        """What stirs in a box, as fractions of the frame, where `without` is not set; None: nobody can say."""
        if self.mask is None:
            return None
        height, width = self.mask.shape
        place = slices(box, self.mask.shape)
        part = self.mask[place]
        if without is not None:
            part = part & ~without[place]
        rows, columns = np.nonzero(part)
        if not len(rows):
            return Stirring(0.0, box[3], box[3], box[0], box[2])
        skip = int(_TOP_SHARE * len(rows))
        rows = np.sort(rows) + place[0].start
        top, bottom = int(rows[skip]), int(rows[-1]) + 1
        columns = np.sort(columns) + place[1].start
        left, right = int(columns[skip]), int(columns[-1 - skip]) + 1
        return Stirring(len(rows) / height**2, top / height, bottom / height, left / width, right / width)


def differs(a: Picture, b: Picture) -> Mask:
    """Cells in which two pictures differ, bool (h, w)."""
    now, then = a.cells.astype(np.float32), b.cells.astype(np.float32)
    gain = float(np.median((now[::3, ::3, 1] + 8) / (then[::3, ::3, 1] + 8)))
    then *= np.float32(np.clip(gain, 0.6, 1.6))
    off = np.abs(now - then).max(axis=2)
    changed: Mask = off > _CONTRAST
    return changed


def slices(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the cells of a box."""
    height, width = shape[:2]
    y1, y2 = (int(min(max(y, 0.0), 1.0) * height + 0.5) for y in (box[1], box[3]))
    x1, x2 = (int(min(max(x, 0.0), 1.0) * width + 0.5) for x in (box[0], box[2]))
    return slice(y1, y2), slice(x1, x2)


def _cells(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means of square cells, uint8 (h, w, 3)."""
    sums, count = cell_sums(pixels, _WIDTH)
    means: NDArray[np.uint8] = (sums // count).astype(np.uint8)
    return means


def _clean(mask: Mask) -> Mask:
    """Without cells that have fewer than two changed neighbors."""
    count = np.zeros(mask.shape, np.uint8)
    wide = np.pad(mask, 1).view(np.uint8)
    height, width = mask.shape
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            count += wide[down : down + height, right : right + width]
    cleaned: Mask = mask & (count >= 3)
    return cleaned
