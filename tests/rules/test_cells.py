"""Cells are sums of squares of pixels."""

import numpy as np
import pytest

from streamer.rules.cells import cell_sums


@pytest.mark.parametrize(("size", "columns"), [((12, 16), 4), ((13, 18), 4), ((5, 7), 7), ((9, 3), 100)])
def test_each_cell_is_the_sum_of_its_square(size: tuple[int, int], columns: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    sums, count = cell_sums(pixels, columns)
    step = round(count**0.5)
    assert step == max(1, round(size[1] / columns))
    assert sums.shape == (size[0] // step, size[1] // step, 3)
    for y in range(sums.shape[0]):
        for x in range(sums.shape[1]):
            square = pixels[y * step : (y + 1) * step, x * step : (x + 1) * step].astype(int)
            assert (sums[y, x] == square.sum(axis=(0, 1))).all()


def test_white_cells_of_16_pixels_do_not_overflow() -> None:
    sums, count = cell_sums(np.full((32, 32, 3), 255, np.uint8), 2)
    assert (sums == 255 * count).all()
