"""One sighting of a vehicle, and how far it has moved between two: boxes, the frame's edge, and the ground.

Distances are in heights of the picture (x times the aspect), so that they are the same in all directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.ground import Ground

Box = tuple[float, float, float, float]
Vector = tuple[float, float]

EDGE = 0.006
"""A box that ends so near the frame's edge, in fractions of the frame, is cut off by it."""


class Sight(NamedTuple):
    """One sighting of a vehicle."""

    time: float
    """Capture time, seconds."""
    known: float
    """Known time (see KnownTime), seconds."""
    box: Box
    """Fractions of the frame."""
    x: float
    """Bottom center of the box, in heights of the picture."""
    y: float
    size: float
    """The geometric mean of the box's width and height, in heights of the picture."""
    ends: tuple[Vector, Vector, Vector] | None = None
    """Left end, middle and right end of the lower edge in meters on the ground; None where that is not known."""

    @property
    def foot(self) -> Vector:
        """Bottom center of the box, in fractions of the frame."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]

    @property
    def cut(self) -> bool:
        """Whether the frame's edge cuts it off: then its bottom center is not where it stands."""
        x1, y1, x2, y2 = self.box
        return x1 < EDGE or y1 < EDGE or x2 > 1 - EDGE or y2 > 1 - EDGE


def ground_ends(ground: Ground, boxes: NDArray[np.float64]) -> Sequence[tuple[Vector, Vector, Vector] | None]:
    """See Sight.ends; None for a box that the lower edge cuts off, or that stands beyond the horizon."""
    low = boxes[:, 3]
    spots = np.stack([np.stack([x, low], axis=1) for x in (boxes[:, 0], (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 2])])
    meters = ground.meters(spots.reshape(-1, 2)).reshape(3, -1, 2)
    good = np.isfinite(meters).all(axis=(0, 2)) & (low < 1 - EDGE)
    listed = meters.transpose(1, 0, 2).tolist()
    return [
        ((a[0], a[1]), (b[0], b[1]), (c[0], c[1])) if fine else None
        for (a, b, c), fine in zip(listed, good.tolist(), strict=True)
    ]


def shift(a: Sight, b: Sight, aspect: float) -> Vector:
    """How far something has moved from one sighting to another, in heights of the picture.

    The bottom center moves with it, unless the frame's edge cuts it off: of a car that comes in at the lower edge only
    the upper edge moves. So each axis is measured at a side that is whole in both sightings.
    """
    return (
        aspect * _moved(a.box[0], a.box[2], b.box[0], b.box[2], middle=True),
        _moved(a.box[1], a.box[3], b.box[1], b.box[3], middle=False),
    )


def _moved(low_a: float, high_a: float, low_b: float, high_b: float, middle: bool) -> float:
    """Along one axis; `middle`: of the center where both ends are whole, rather than of the high end."""
    low, high = min(low_a, low_b) > EDGE, max(high_a, high_b) < 1 - EDGE
    if (low and high and middle) or not (low or high):
        return (low_b + high_b - low_a - high_a) / 2
    return high_b - high_a if high else low_b - low_a
