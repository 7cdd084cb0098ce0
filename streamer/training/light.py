"""How light a picture is, in three buckets that operators know: night, dusk and day.

A model that is right by day and wrong by night has a fine average. Evaluation therefore tells its figures by bucket.
The bounds are those at which low light begins to cost recognition in practice: below a mean luma of 60 faces need
enhancement (the usual gate of low-light pipelines), and above 100 a picture is as cameras expose by day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BUCKETS = ("night", "dusk", "day")
"""From dark to light."""
BOUNDS = (60.0, 100.0)
"""Mean luma 0..255 at which the second and the third begin."""
_STEP = 4  # every so many pixels: a mean of thousands is as good as one of all
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def luma(pixels: NDArray[np.uint8]) -> float:
    """Mean luma 0..255 of uint8 (H, W, 3) RGB."""
    return float(pixels[::_STEP, ::_STEP].mean(axis=(0, 1), dtype=np.float32) @ _WEIGHTS)


def bucket(mean_luma: float) -> str:
    """Its bucket."""
    return BUCKETS[int(np.searchsorted(BOUNDS, mean_luma, side="right"))]
