"""What masks leave out of a detector's answer, before anybody follows or judges it.

`ignore: [detections]` drops whatever stands there (the foot point, as zones do); `ignore: [motion]` drops motion that
stands there or that lies there for the most part (a waving tree has no foot). Pure; called for every answer by the
handle of the detector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.places import Places, Zone, foot_points
from streamer.types import Detections

MOTION = "motion"
"""The label of what moves and has no other name."""
_GRID = 5
_MOST = 0.5
"""Share of a box of motion within masks that makes it motion of the mask."""


class Ignored:
    """The masks of one camera."""

    def __init__(self, places: Places | None = None):
        self._detections: list[Zone] = [] if places is None else places.ignored("detections")
        self._motion: list[Zone] = [] if places is None else places.ignored("motion")

    def keep(self, found: Detections) -> Detections:
        """The detections that no mask leaves out."""
        if not len(found) or not (self._detections or self._motion):
            return found
        feet = foot_points(found.boxes)
        out = _within(feet, self._detections)
        moves = np.array([label == MOTION for label in found.labels], np.bool_)[found.label_ids]
        if self._motion and moves.any():
            out |= moves & (_within(feet, self._motion) | (self._share(found.boxes) >= _MOST))
        return found.pick(~out) if out.any() else found

    def quiet(self, moving: Detections) -> Detections:
        """The motion that no mask for motion leaves out; what stands in one for detections may still be explained."""
        if not len(moving) or not self._motion:
            return moving
        out = _within(foot_points(moving.boxes), self._motion) | (self._share(moving.boxes) >= _MOST)
        return moving.pick(~out)

    def _share(self, boxes: NDArray[Any]) -> NDArray[np.float64]:
        """How much of each box lies in masks for motion, float (n,)."""
        steps = (np.arange(_GRID) + 0.5) / _GRID
        x = boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps
        y = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps
        shape = len(boxes), _GRID, _GRID
        points = np.stack([np.broadcast_to(x[:, None, :], shape), np.broadcast_to(y[:, :, None], shape)], axis=-1)
        share: NDArray[np.float64] = _within(points.reshape(-1, 2), self._motion).reshape(len(boxes), -1).mean(axis=1)
        return share


def _within(points: NDArray[Any], zones: list[Zone]) -> NDArray[np.bool_]:
    inside = np.zeros(len(points), np.bool_)
    for zone in zones:
        inside |= zone.contains(points)
    return inside
