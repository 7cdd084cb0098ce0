"""How near two boxes are: pure arithmetic on fractions of the frame, for rules about things and their owners."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 as fractions of the frame."""


def box_of(values: NDArray[Any]) -> Box:
    """The box in a row of four numbers."""
    x1, y1, x2, y2 = values.tolist()
    return x1, y1, x2, y2


def covers(a: Box, b: Box) -> bool:
    """Whether more than half of b lies within a."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return wide > 0 and high > 0 and wide * high > 0.5 * (b[2] - b[0]) * (b[3] - b[1])


def gap(a: Box, b: Box, aspect: float) -> float:
    """Between the edges of two boxes, in frame heights; 0 where they touch."""
    across = max(a[0] - b[2], b[0] - a[2], 0.0) * aspect
    return float(np.hypot(across, max(a[1] - b[3], b[1] - a[3], 0.0)))


def apart(a: Box, b: Box, aspect: float) -> float:
    """Between the foot points of two boxes, in frame heights."""
    return float(np.hypot((a[0] + a[2] - b[0] - b[2]) / 2 * aspect, a[3] - b[3]))
