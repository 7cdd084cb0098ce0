"""What stands before the learnt background and does not move: two backgrounds, a long one and what replaced it.

Each cell of some 4x4 pixels has a long-term background and, where something else stands still in front of it, the
appearance of that. A passer-by hides it for a while; it is gone when the background is seen again. Light that changes
everywhere by one factor is no change; a change of most of the picture is a new background. About twice a second is
enough. Numpy only: the engine has no OpenCV. Called by `abandoned`.

Source: Porikli et al., Robust detection of abandoned and removed objects, EURASIP 2008 (dual backgrounds); removed
objects are told from added ones by the contrast at their border, before and now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.rules.cells import cell_sums
from streamer.rules.distance import Box

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_WIDTH = 104
_LEARN_S = 4.0
_MOST_SAMPLES = 15
_ADAPT_S = 30.0
"""Time constant with which the background follows slow changes of light."""
_CONTRAST = 10.0
"""Least difference of a channel, in levels, however still the sensor is: a cell is the mean of 16 pixels."""
_SIGMAS = 4.5
_BACK_S = 1.0
"""The background must be seen again for so long."""
_REPLACED_S = 5.0
"""Something else that stands still in the same place for so long takes it over."""
_GLOBAL_SHARE, _GLOBAL_S = 0.4, 1.0
"""A change of so much of the picture, for so long, is one of light or view."""
_MOST_CELLS = 1500
_UNCOVERED_S = 3.0
"""So long nobody must have stood before a cell: until then it may be a part of them."""
_WIDER = 0.15
"""By how much of their size people's boxes are widened: feet, shadows, what they carry."""
_MOST_UNDER_S = 60.0
_ADDED = 1.2
"""How often the contrast at the border of what was put there is that of the background in the same place."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Cells that belong together."""

    cells: NDArray[np.int64]
    """Flat indices."""
    box: Box
    """x1, y1, x2, y2 as fractions of the frame."""
    age_s: float
    """How long it has stood there."""
    under_s: float
    """How much of that somebody stood before it, at most a minute."""


class Ground:
    """The backgrounds of one camera."""

    def __init__(self, settle_s: float):
        self._settle_s = settle_s
        self._learnt_s = 0.0
        self._global_s = 0.0
        self._shape = (0, 0)
        self._samples: list[Floats] = []
        none = np.zeros((0, 0), np.float32)
        self._long = self._still = self._before = np.zeros((0, 0, 3), np.float32)
        self._noise = self._age = self._away = self._under = self._uncovered = none
        self._has: Mask = np.zeros((0, 0), bool)
        self.front: Mask = self._has
        """Cells that do not show the background now, bool (h, w)."""
        self._known: tuple[bytes, list[Region]] = (b"", [])

    def look(self, pixels: NDArray[np.uint8], step_s: float, people: Sequence[Box]) -> list[Region] | None:
        """Learn from a picture.

        Args:
            pixels: uint8 (H, W, 3).
            step_s: seconds after the last one.
            people: their boxes, as fractions of the frame; what is under them is a part of them.

        Returns:
            What has stood still for `settle_s`; None while the background is being learnt: nothing is known then.
        """
        picture = _cells(pixels)
        if picture.shape[:2] != self._shape:
            self._restart(picture)
        if self._learnt_s < _LEARN_S:
            self._learn(picture, step_s)
            return None
        ratios = np.sort(picture[::3, ::3, 1] / (self._long[::3, ::3, 1] + 1), axis=None)  # np.median costs thrice
        picture *= np.float32(1 / min(max(float(ratios[len(ratios) // 2]), 0.6), 1.6))
        off = _distance(picture, self._long)
        limit = np.maximum(_SIGMAS * self._noise, _CONTRAST)
        self.front = off > limit
        if np.count_nonzero(self.front) > _GLOBAL_SHARE * self.front.size:
            self._global_s += step_s
            if self._global_s >= _GLOBAL_S:
                self._restart(picture)
            return None
        self._global_s = 0.0
        self._follow(picture, limit, step_s)
        self._cover(people, step_s)
        rate = (~(self.front | self._has)) * np.float32(1 - np.exp(-step_s / _ADAPT_S))
        self._long += (picture - self._long) * rate[..., None]
        self._noise += (np.minimum(off * np.float32(1.25), _CONTRAST) - self._noise) * rate
        self._before = picture
        return self._regions()

    def _restart(self, picture: Floats) -> None:
        self._shape = picture.shape[:2]
        self._learnt_s = self._global_s = 0.0
        self._samples = [picture]
        self._long, self._before, self._still = picture.copy(), picture, picture.copy()
        self._noise = np.ones(self._shape, np.float32)
        self._age, self._away = np.zeros(self._shape, np.float32), np.zeros(self._shape, np.float32)
        self._under, self._uncovered = np.zeros(self._shape, np.float32), np.zeros(self._shape, np.float32)
        self._has, self.front = np.zeros(self._shape, bool), np.zeros(self._shape, bool)

    def _learn(self, picture: Floats, step_s: float) -> None:
        """Collect pictures for `_LEARN_S`; their median is the background (whoever walks through is not in it)."""
        self._learnt_s += step_s
        self._samples = [*self._samples[-_MOST_SAMPLES:], picture]
        self._before = picture
        if self._learnt_s >= _LEARN_S:
            self._long = np.median(np.stack(self._samples), axis=0).astype(np.float32)
            self._samples = []

    def _follow(self, picture: Floats, limit: Floats, step_s: float) -> None:
        """Keep what stands in front of the background."""
        if not self._has.any() and not self.front.any():
            return
        steady = self.front & (_distance(picture, self._before) < limit * 0.6)
        same = self._has & (_distance(picture, self._still) < limit)
        self._age += same * np.float32(step_s)
        self._away = np.where(same, 0, self._away + np.float32(step_s))
        self._still[same] += (picture[same] - self._still[same]) * np.float32(0.1)
        self._has &= self.front | (self._away < _BACK_S)
        new = steady & ~same & (~self._has | (self._away >= _REPLACED_S))
        self._still[new], self._age[new], self._away[new], self._under[new] = picture[new], 0.0, 0.0, 0.0
        self._has |= new

    def _cover(self, people: Sequence[Box], step_s: float) -> None:
        """Note where somebody stands."""
        self._uncovered += np.float32(step_s)
        for x1, y1, x2, y2 in people:
            wide, high = (x2 - x1) * _WIDER, (y2 - y1) * _WIDER
            place = self._slices((x1 - wide, y1 - high, x2 + wide, y2 + high))
            self._uncovered[place] = 0.0
            self._under[place] = np.minimum(self._under[place] + np.float32(step_s), _MOST_UNDER_S)

    def _slices(self, box: Box) -> tuple[slice, slice]:
        height, width = self._shape
        rows = slice(int(max(box[1], 0) * height), max(int(np.ceil(min(box[3], 1) * height)), 0))
        return rows, slice(int(max(box[0], 0) * width), max(int(np.ceil(min(box[2], 1) * width)), 0))

    def _regions(self) -> list[Region]:
        settled = self._has & (self._age >= self._settle_s) & (self._uncovered >= _UNCOVERED_S)
        if not settled.any() or int(settled.sum()) > _MOST_CELLS:
            return []
        print_ = settled.tobytes()
        if print_ != self._known[0]:  # mostly it is what it was: joining cells is the only part in Python
            self._known = (print_, [self._region(cells) for cells in _joined(settled)])
        age, under = self._age.ravel(), self._under.ravel()
        return [Region(r.cells, r.box, float(age[r.cells].max()), float(under[r.cells].mean())) for r in self._known[1]]

    def _region(self, cells: NDArray[np.int64]) -> Region:
        rows, columns = np.divmod(cells, self._shape[1])
        height, width = self._shape
        box = columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height
        return Region(cells, (float(box[0]), float(box[1]), float(box[2]), float(box[3])), 0.0, 0.0)

    def here(self, cells: NDArray[np.int64]) -> float:
        """Share of cells in which something still stands before the background, or is hidden by who passes."""
        return float(self._has.ravel()[cells].mean())

    def added(self, region: Region) -> bool:
        """Whether something was put there; False: something that belonged to the background was taken away."""
        width = self._shape[1]
        inside = np.zeros(self._shape, bool).ravel()
        inside[region.cells] = True
        rows, columns = np.divmod(region.cells, width)
        now = before = 0.0
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            r, c = rows + down, columns + right
            fits = (r >= 0) & (c >= 0) & (r < self._shape[0]) & (c < width)
            near = r[fits] * width + c[fits]
            border = ~inside[near]
            own, other = region.cells[fits][border], near[border]
            long, still = self._long.reshape(-1, 3), self._still.reshape(-1, 3)
            now += float(np.abs(still[own] - long[other]).sum())
            before += float(np.abs(long[own] - long[other]).sum())
        return now > _ADDED * before

    def front_share(self, box: Box, without: NDArray[np.int64]) -> float:
        """How much of a box, as fractions of the frame, does not show the background; `without` are cells left out."""
        counted = np.ones(self.front.size, bool)
        counted[without] = False
        place = self._slices(box)
        part = counted.reshape(self._shape)[place]
        return float((self.front[place] & part).sum() / max(int(part.sum()), 1))

    def absorb(self, cells: NDArray[np.int64]) -> None:
        """Make what stands there background."""
        self._long.reshape(-1, 3)[cells] = self._still.reshape(-1, 3)[cells]
        self._has.ravel()[cells] = False


def _cells(pixels: NDArray[np.uint8]) -> Floats:
    """Means of square cells, float32 (h, w, 3)."""
    sums, count = cell_sums(pixels, _WIDTH)
    means: Floats = sums * np.float32(1 / count)
    return means


def _distance(a: Floats, b: Floats) -> Floats:
    """Largest difference of the channels, (h, w)."""
    off = a - b
    np.abs(off, out=off)
    largest: Floats = np.maximum(off[..., 0], off[..., 1])
    np.maximum(largest, off[..., 2], out=largest)
    return largest


def _joined(mask: Mask) -> list[NDArray[np.int64]]:
    """The cells of each connected region, in order of their first cell; gaps of one cell (a strap) do not part it."""
    width = mask.shape[1]
    left = set(np.flatnonzero(mask).tolist())
    found = []
    for start in sorted(left):
        if start not in left:
            continue
        left.discard(start)
        cells, todo = [], [start]
        while todo:
            cell = todo.pop()
            cells.append(cell)
            column = cell % width
            for right in range(max(-2, -column), min(2, width - 1 - column) + 1):
                for down in (-2, -1, 0, 1, 2):
                    near = cell + right + down * width
                    if near in left:
                        left.discard(near)
                        todo.append(near)
        found.append(np.array(sorted(cells), np.int64))
    return found
