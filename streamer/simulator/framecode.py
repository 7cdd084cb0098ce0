"""A frame number burnt into the top edge of a picture as sixteen black or white blocks, and read back at any scale.

Benches use it to know which frame a result belongs to, through decoding and scaling, without trusting timestamps.
The blocks are: white, black, ten bits of the number (high first), four check bits; together they span half of the
picture's width, each a square of 1/32 of it. Called by `render` and by benches. Pure functions, no state.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BLOCKS = 16
BLOCK = 1 / 32
"""Side of a block as a fraction of the picture's width."""
WHITE, BLACK = 235, 16
"""Luma of the blocks: the limits of video range."""
COUNT = 1024
"""Numbers repeat after this many frames."""


def bits(number: int) -> tuple[int, ...]:
    """The sixteen blocks of a number (taken modulo `COUNT`), 1 is white."""
    number %= COUNT
    check = (number * 7 + 3) ^ (number >> 4)
    return (1, 0, *((number >> k) & 1 for k in range(9, -1, -1)), *((check >> k) & 1 for k in range(3, -1, -1)))


def burn(picture: NDArray[np.uint8], number: int) -> None:
    """Draw a number into `picture` in place: (H, W) luma or (H, W, 3), uint8."""
    side = picture.shape[1] * BLOCK
    for k, bit in enumerate(bits(number)):
        picture[: round(side), round(k * side) : round((k + 1) * side)] = WHITE if bit else BLACK


def read(picture: NDArray[np.uint8], content_width: int | None = None) -> int:
    """The number in a picture of (H, W) or (H, W, 3), uint8, at any scale; -1 when it cannot be read.

    `content_width` is the width in pixels that the picture's content spans from the left edge, where it is padded.
    """
    side, columns = _middles(content_width or picture.shape[1])
    if side < 1 or columns[-1] >= picture.shape[1]:
        return -1
    samples = picture[min(int(side / 2), picture.shape[0] - 1)].take(columns, axis=0)
    if samples.ndim == 2:
        samples = samples[:, 1]
    return _NUMBERS.get(tuple((samples > (WHITE + BLACK) // 2).tolist()), -1)


_NUMBERS = {bits(number): number for number in range(COUNT)}


@lru_cache(maxsize=64)
def _middles(width: int) -> tuple[float, NDArray[np.int64]]:
    """Side of a block in a picture of that width, and the columns in the middle of each."""
    side = width * BLOCK
    return side, ((np.arange(BLOCKS) + 0.5) * side).astype(np.int64)
