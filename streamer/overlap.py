"""How much boxes overlap, in few numpy calls: for a handful of boxes the calls are the cost, not the arithmetic.

The tracker library's own measure takes some sixty calls a frame, this one fifteen; tests hold the two together. Called
by `tracker` and, through it, by `bytetrack`.

Source: Yang et al., C-BIoU, WACV 2023: IoU of boxes that are widened on each side by a share of their size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

_ALIKE = 1.5
"""Heights of boxes of one thing in two frames differ by less than this factor."""


def shared(a: Floats, b: Floats) -> Floats:
    """Area that each box of `a` (n, 4) shares with each of `b` (m, 4), (n, m); corners x1, y1, x2, y2."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(np.minimum(a[:, None, 2:], b[None, :, 2:]) - low, 0.0)
    areas: Floats = sides[..., 0] * sides[..., 1]
    return areas


def area(boxes: Floats) -> Floats:
    """Of each box (n, 4), (n,)."""
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def join_lonely(iou: Floats, a: Floats, b: Floats, limits: tuple[float, Floats], sure: Floats | None = None) -> None:
    """Raise the overlap of boxes that have no better partner, are near and alike in size, to more than `least`.

    Args:
        iou: (n, m), changed in place.
        a: boxes (n, 4), where things should be.
        b: boxes (m, 4), where they were seen.
        limits: the overlap that makes two boxes one thing, and for each box of `a` how far away the middle of its
            partner may be, in its longer side, (n,).
        sure: which boxes of `b` may be joined, bool (m,); None: all.
    """
    least, reach = limits
    partner = iou.argmax(axis=1)
    every = np.arange(len(iou))
    taken = (iou.argmax(axis=0)[partner] == every) & (iou[every, partner] >= least)  # each is the other's best
    if taken.all() or np.count_nonzero(taken) == iou.shape[1]:
        return
    alone = np.ones(iou.shape[1], bool) if sure is None else sure.copy()
    alone[partner[taken]] = False
    rows, columns = np.flatnonzero(~taken), np.flatnonzero(alone)
    a, b = a[rows], b[columns]
    tall, seen_tall = a[:, 3] - a[:, 1], b[:, 3] - b[:, 1]
    longer = np.maximum(np.maximum(a[:, 2] - a[:, 0], tall), 1e-9)
    apart = np.hypot(*np.moveaxis((a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2, -1, 0))
    share = apart / (longer * reach[rows])[:, None]
    alike = np.maximum(tall[:, None], seen_tall[None]) < _ALIKE * np.minimum(tall[:, None], seen_tall[None])
    found = iou[np.ix_(rows, columns)]
    iou[np.ix_(rows, columns)] = np.where(alike & (share < 1.0), np.maximum(found, least * (2.0 - share)), found)


class WideIoU:
    """IoU of widened boxes."""

    reach = 0.0
    """For the next comparison only: how far apart, in the longer sides of a box, two boxes may be that have no
    better partner and still are one thing. What runs leaves its own narrow box behind between two frames."""

    sure: NDArray[Any] | None = None
    """For the next comparison only: which of the boxes seen may be joined so, bool (m,); None: all."""

    fresh = 0
    """For the next comparison only: so many boxes at the end of the first list are of things seen but once, and nobody
    knows how those move; the others may be half as far from where they should be."""

    def __init__(self, buffer_ratio: float, least: float = 0.0) -> None:
        self._least = least
        out, across = 1.0 + buffer_ratio, -buffer_ratio
        self._widen = np.array(
            [[out, 0.0, across, 0.0], [0.0, out, 0.0, across], [across, 0.0, out, 0.0], [0.0, across, 0.0, out]]
        )

    def compute(self, boxes_1: Floats, boxes_2: Floats) -> Floats:
        """As the library's, but for a look for infinite numbers: assignment itself refuses those."""
        reach, fresh, sure = self.reach, self.fresh, self.sure
        self.reach, self.fresh, self.sure = 0.0, 0, None
        if len(boxes_1) == 0 or len(boxes_2) == 0:
            return np.zeros((len(boxes_1), len(boxes_2)))
        iou = self._compute(boxes_1, boxes_2)
        if reach > 0.0:
            reaches = np.where(np.arange(len(iou)) < len(iou) - fresh, reach / 2, reach)
            join_lonely(iou, boxes_1, boxes_2, (self._least, reaches), sure)
        return iou

    def _compute(self, boxes_1: Floats, boxes_2: Floats) -> Floats:
        a, b = boxes_1 @ self._widen, boxes_2 @ self._widen
        common = shared(a, b)
        joined = area(a)[:, None] + area(b)[None] - common
        iou: Floats = common / np.maximum(joined, 1e-12)
        return iou
