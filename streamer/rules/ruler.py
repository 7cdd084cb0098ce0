"""Where a vehicle's front is against a line, from its box.

A box is what a camera sees of a vehicle; what stands on the road is taken for an ellipse at its lower end, as wide as
the box and `ground_share` of its height deep. Its farthest point in the direction of travel is the front, and twice its
radius that way is one vehicle length. Distances are in frame heights. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.places import Line

Box = tuple[float, float, float, float]
Vector = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """A vehicle in one frame."""

    time: float
    """Capture time, seconds."""
    frame_index: int
    box: Box
    center: Vector
    """Of what stands on the road, in frame heights."""
    front: float
    """Of the vehicle beyond the line, in frame heights; negative before it."""
    length: float
    """Of the vehicle along its way, in frame heights, as seen here."""
    along: float
    """Where its front is along the line: 0 at the arrow's start, 1 at its head."""
    signal: str = ""
    """What was known of the signal then."""


class Ruler:
    """Measures boxes against one line, whose forward direction is that of travel."""

    def __init__(self, line: Line, ground_share: float, aspect: float):
        self.aspect = aspect
        self._share = ground_share
        self._start = np.array([line.start[0] * aspect, line.start[1]])
        way = np.array([line.end[0] * aspect, line.end[1]]) - self._start
        self._long = float(np.hypot(*way))
        self._way = way / self._long
        self.normal = np.array([-self._way[1], self._way[0]])
        """Unit vector of travel: to the right of the arrow as seen."""

    def measure(self, boxes: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
        """Centers (n, 2), fronts (n,), lengths (n,) and places along the line (n,) of boxes (n, 4)."""
        x1, y1, x2, y2 = boxes.astype(np.float64).T
        deep = self._share * (y2 - y1)
        centers = np.stack([(x1 + x2) / 2 * self.aspect, y2 - deep / 2], axis=1)
        radius = np.hypot(self.normal[0] * (x2 - x1) / 2 * self.aspect, self.normal[1] * deep / 2)
        offset = centers - self._start
        fronts = offset @ self.normal + radius
        along = ((offset + radius[:, None] * self.normal) @ self._way) / self._long
        return centers, fronts, 2 * radius, along
