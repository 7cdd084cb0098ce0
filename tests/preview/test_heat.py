"""The picture of a decision: heat where there is some, the frame where there is none, and what led to it below."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.preview.heat import picture, warmed
from streamer.training.explain import Explained


def explained(count: int = 8, warm: bool = True) -> Explained:
    heat = np.zeros((count, 96, 128), np.float32)
    heat[-1, :48, :64] = 1.0
    pictures = np.full((count, 96, 128, 3), 90, np.uint8)
    return Explained("fight", 0.87, 0.6, np.arange(count) / 5, pictures, heat, "grad-cam", warm)


def test_cold_places_stay_as_they_are_and_hot_ones_glow() -> None:
    found = explained()
    shown = warmed(found.pictures[-1], found.heat[-1])
    assert (shown[48:] == 90).all()
    assert shown[:48, :64, 0].min() > 150  # toward yellow
    assert shown.dtype == np.uint8


def test_a_little_heat_is_not_drawn() -> None:
    pixels = np.full((4, 4, 3), 90, np.uint8)
    assert (warmed(pixels, np.full((4, 4), 0.1, np.float32)) == 90).all()


def test_the_picture_has_the_frame_and_a_strip_below(tmp_path: Path) -> None:
    canvas = picture(explained(), "fight-net")
    height, width = canvas.pixels.shape[:2]
    assert width >= 128
    assert height > width * 96 / 128  # the strip is below the frame
    frame_height = round(width * 96 / 128)
    parts = np.array_split(canvas.pixels[frame_height:, : width - width % 5], 5, axis=1)
    left = [float(part[: part.shape[0] // 2, : part.shape[1] // 2, 0].mean()) for part in parts]
    assert left[-1] > max(left[:-1]) + 40  # only the last of the five is hot there
    canvas.save(tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 1000


def test_one_frame_is_enough() -> None:
    assert picture(explained(1, warm=False), "net").pixels.ndim == 3
