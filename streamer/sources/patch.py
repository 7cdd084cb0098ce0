"""Polygons as pixels: what a privacy mask covers at one size of picture.

Numpy only; `privacy` blackens it, and `links` asks how much there would be left to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Polygon = Sequence[Sequence[float]]
"""Corners x, y as fractions of the upright picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A polygon at one size of picture."""

    rows: slice
    columns: slice
    inside: NDArray[np.bool_]


def rasterized(polygon: NDArray[np.float64], width: int, height: int) -> Patch:
    """The pixels that a polygon covers (even-odd rule), those that it only touches included: rather one too many."""
    x, y = polygon[:, 0] * width, polygon[:, 1] * height
    left, right = (int(np.clip(v, 0, width)) for v in (np.floor(x.min()) - 1, np.ceil(x.max()) + 1))
    top, bottom = (int(np.clip(v, 0, height)) for v in (np.floor(y.min()) - 1, np.ceil(y.max()) + 1))
    columns, rows = np.arange(left, right) + 0.5, (np.arange(top, bottom) + 0.5)[:, None]
    inside = np.zeros((bottom - top, right - left), np.bool_)
    for x1, y1, x2, y2 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        spans = (y1 > rows) != (y2 > rows)
        if spans.any():
            inside ^= spans & (columns < (x2 - x1) * (rows - y1) / (y2 - y1 or 1.0) + x1)
    grown = inside.copy()
    grown[1:] |= inside[:-1]
    grown[:-1] |= inside[1:]
    sideways = grown.copy()
    sideways[:, 1:] |= grown[:, :-1]
    sideways[:, :-1] |= grown[:, 1:]
    return Patch(slice(top, bottom), slice(left, right), sideways)


def share_hidden(polygons: Sequence[Polygon]) -> float:
    """How much of the picture the polygons cover together, 0..1, to within a percent."""
    hidden = np.zeros((200, 200), np.bool_)
    for polygon in polygons:
        patch = rasterized(np.array(polygon, np.float64), 200, 200)
        hidden[patch.rows, patch.columns] |= patch.inside
    return float(hidden.mean())
