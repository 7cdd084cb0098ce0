"""The ground plane of a camera: from points of the picture to meters on the floor.

Four points of the picture that are the corners of a rectangle of known size on the ground (a parking bay, a stretch of
road between marks, a tiled floor) fix how the flat ground is seen: a homography, the eight numbers of which follow from
four pairs of points (Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 4.1). Pure numpy; no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_THIN = 0.01
"""Three corners that span less than this share of the whole quadrangle lie on one line, as far as one can draw."""
_NEAR_HORIZON = 1e-3
"""Of the scale at the corners' middle: beyond this the ground is seen so flat that a pixel is tens of meters."""


class Ground:
    """Where points of the picture lie on flat ground, in meters.

    Args:
        points: the four corners of a rectangle on the ground, one after the other round it, as fractions of the frame.
        size_m: its width (first to second corner) and depth (second to third), meters.

    Raises:
        ValueError: the points make no rectangle seen in perspective: the outline crosses itself, three points lie on
            one line, or one lies within the triangle of the others; or a size is not above 0.
    """

    def __init__(self, points: Sequence[tuple[float, float]], size_m: tuple[float, float]):
        check_corners(points)
        if not (size_m[0] > 0 and size_m[1] > 0 and np.isfinite(size_m).all()):
            raise ValueError(f"a ground plane's size_m must be two lengths above 0, got {list(size_m)}")
        self.points = tuple((float(x), float(y)) for x, y in points)
        self.size_m = float(size_m[0]), float(size_m[1])
        width, depth = self.size_m
        corners = [(0.0, 0.0), (width, 0.0), (width, depth), (0.0, depth)]
        self._matrix = _homography(self.points, corners)
        middle = np.mean(self.points, axis=0)
        scale = float(self._matrix[2] @ (*middle, 1.0))
        self._matrix /= scale  # the middle is on the near side of the horizon: there the divisor is positive
        self._rows: list[list[float]] = self._matrix.tolist()

    def meters(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Positions on the ground.

        Args:
            points: float (n, 2), x and y as fractions of the frame.

        Returns:
            float64 (n, 2): meters from the first corner, along the rectangle's width and depth; nan for a point at or
            beyond the horizon, where there is no ground.
        """
        at = np.asarray(points, np.float64).reshape(-1, 2)
        mapped = at @ self._matrix[:, :2].T + self._matrix[:, 2]
        divisor = mapped[:, 2:]
        found: NDArray[np.float64] = np.full((len(at), 2), np.nan)
        np.divide(mapped[:, :2], divisor, out=found, where=divisor > _NEAR_HORIZON)
        return found

    def spot(self, x: float, y: float) -> tuple[float, float] | None:
        """The same for one point, None where there is no ground; a tenth of the cost of `meters` for one."""
        (a, b, c), (d, e, f), (g, h, i) = self._rows
        divisor = g * x + h * y + i
        if divisor <= _NEAR_HORIZON:
            return None
        return (a * x + b * y + c) / divisor, (d * x + e * y + f) / divisor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ground) and (self.points, self.size_m) == (other.points, other.size_m)

    def __hash__(self) -> int:
        return hash((self.points, self.size_m))

    def __repr__(self) -> str:
        return f"Ground({list(self.points)}, size_m={self.size_m})"


def check_corners(points: Sequence[tuple[float, float]]) -> None:
    """Whether four points can be the corners of a rectangle seen in perspective.

    Raises:
        ValueError: see Ground.
    """
    if len(points) != 4:
        raise ValueError(f"a ground plane needs 4 points, the corners of a rectangle on the ground, got {len(points)}")
    # of each corner: twice the area of the triangle that the other three span, positive where they turn right as seen
    turns = [_turn(*(points[k] for k in range(4) if k != i)) for i in range(4)]
    whole = max(abs(turns[1]) + abs(turns[3]), abs(turns[0]) + abs(turns[2]))
    for i, turn in enumerate(turns):
        if abs(turn) <= max(_THIN * whole, 1e-9):
            named = ", ".join(str(k + 1) for k in range(4) if k != i)
            raise ValueError(f"points {named} of the ground plane lie on one line: they do not say how it is seen")
    corners = [_turn(points[i - 1], points[i], points[(i + 1) % 4]) > 0 for i in range(4)]
    if sum(corners) == 2:
        raise ValueError("the outline of the ground plane crosses itself: give the corners one after the other round")
    if sum(corners) in (1, 3):
        inner = corners.index(sum(corners) == 1) + 1
        raise ValueError(f"point {inner} of the ground plane lies within the triangle of the others: no rectangle")


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def _homography(seen: Sequence[tuple[float, float]], real: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """float64 (3, 3), up to its scale, that takes the seen points to the real ones (direct linear transform)."""
    rows = []
    for (x, y), (u, v) in zip(seen, real, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    # no entry may be taken for 1: the one that usually is vanishes where the picture's corner is on the horizon
    matrix: NDArray[np.float64] = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    return matrix
