"""What is known of one picture that a detector learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ABSENT = -1
"""Class of a row that holds no box."""
IGNORED = -2
"""Class of a box of which nothing is known: neither an example nor a counter-example."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Boxes of one picture."""

    boxes: NDArray[np.float64]
    """(n, 4) x1, y1, x2, y2 as fractions of the picture."""
    classes: NDArray[Any]
    """int (n,): index of the label, or IGNORED."""
