"""A picture as coarse square cells: what rules that look at pixels compare. Numpy only: the engine has no OpenCV."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cell_sums(pixels: NDArray[np.uint8], columns: int) -> tuple[NDArray[np.uint16], int]:
    """Add up the pixels of square cells; what is left over at the right and lower edge is left out.

    Args:
        pixels: uint8 (H, W, 3).
        columns: how many cells lie side by side, about.

    Returns:
        uint16 (h, w, 3), the sums; and how many pixels each is of. Cells of up to 16x16 pixels fit.
    """
    step = max(1, round(pixels.shape[1] / columns))
    height, width = pixels.shape[0] // step, pixels.shape[1] // step
    down = np.zeros((height, width * step, 3), np.uint16)
    for i in range(step):
        down += pixels[i : height * step : step, : width * step]
    sums = np.zeros((height, width, 3), np.uint16)
    for i in range(step):
        sums += down[:, i::step]
    return sums, step * step
