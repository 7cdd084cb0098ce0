"""Arithmetic on boxes that every detector family shares: letterbox geometry and non-maximum suppression. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamer.types import Floats, Ints

MAX_CANDIDATES = 300
"""Boxes that enter suppression, the strongest first: bounds the work that one crowded picture can cause."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How one frame lies in a network's input: scaled by one factor, at the top left, the rest padded."""

    width: int
    """Pixels of the scaled frame within the input."""
    height: int
    """Pixels of the scaled frame within the input."""
    canvas_width: int
    canvas_height: int

    @staticmethod
    def fit(frame: tuple[int, int], box: tuple[int, int], stride: int = 0) -> Letterbox:
        """The letterbox of a frame.

        Args:
            frame: its width and height.
            box: the network's full width and height.
            stride: if positive, padding is cut to the next multiple of this.
        """
        width, height = frame
        ratio = min(box[0] / width, box[1] / height)
        scaled_w = min(box[0], max(1, int(width * ratio + 1e-6)))
        scaled_h = min(box[1], max(1, int(height * ratio + 1e-6)))
        if stride <= 0:
            return Letterbox(scaled_w, scaled_h, *box)
        return Letterbox(
            scaled_w,
            scaled_h,
            min(box[0], -(-scaled_w // stride) * stride),
            min(box[1], -(-scaled_h // stride) * stride),
        )

    @property
    def canvas(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        return self.canvas_height, self.canvas_width

    def to_fractions(self, boxes: Floats) -> Floats:
        """Boxes (n, 4) in input pixels as fractions of the frame, clipped to it."""
        size = np.array([self.width, self.height, self.width, self.height], np.float32)
        fractions: Floats = np.clip(boxes / size, np.float32(0), np.float32(1))
        return fractions


def suppress(boxes: Floats, scores: Floats, classes: Ints, iou: float) -> NDArray[np.intp]:
    """Class-aware greedy non-maximum suppression.

    Args:
        boxes: float32 (n, 4) x1, y1, x2, y2 in any one unit.
        scores: float32 (n,).
        classes: int (n,); boxes of different classes do not suppress each other.
        iou: overlap above which the weaker box goes (exactly at it, float32 rounding decides).

    Returns:
        Indices of those that stay, strongest first; ties in the order given.
    """
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    n = len(order)
    if n < 2:
        return order
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    area = (x2 - x1) * (y2 - y1)
    # in place: a crowd's (n, n) arrays fall out of the cache otherwise
    overlap = np.minimum(x2[:, None], x2)
    side = np.maximum(x1[:, None], x1)
    overlap -= side
    np.maximum(overlap, 0, out=overlap)
    np.minimum(y2[:, None], y2, out=side)
    side -= np.maximum(y1[:, None], y1)
    overlap *= side  # negative where they lie one above the other
    # overlap / union > iou, without the division (and its 0/0 for empty boxes)
    area *= area.dtype.type(iou / (1 + iou))
    beats = overlap > np.add(area[:, None], area, out=side)
    beats &= _later(n)
    c = classes[order]
    if (c != c[0]).any():
        beats &= c[:, None] == c
    alive = np.ones(n, bool)
    for i in np.flatnonzero(beats.any(axis=1)).tolist():  # most boxes beat nobody
        if alive[i]:
            alive[beats[i]] = False
    return order[alive]


@lru_cache(maxsize=64)
def _later(n: int) -> NDArray[np.bool_]:
    """Whether the second index comes after the first, (n, n)."""
    return np.triu(np.ones((n, n), bool), 1)
