"""Which lamp of a signal head is lit, from the pixels of a drawn outline; says unknown when it is not sure.

Position and color must agree: a lamp is lit when the middle of its cell is clearly brighter than the cells of the
others and has its own hue. That holds at night, when a core is white and its glow reaches into the cells beside it
(their middles stay darker, and a glow has the wrong hue for the cell it falls in), and under noise (means of many
pixels). Sun on the lenses, a truck before the head, a lamp that is out: none of them passes for a lit lamp.

numpy only; some 0.15 ms a head and frame. Thresholds were set on rendered heads, see docs/signals.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.places import make_zone
from streamer.signals.settings import LampSettings
from streamer.types import Aspect

_FEWEST = 4
"""Pixels in the middle of a cell: with fewer, noise decides."""
_BRIGHTEST = 0.5
"""Share of a middle that is looked at: a lamp need not fill it."""
_CONTRAST = 40.0
"""Levels by which a lit lamp is brighter than the darkest cell of its head, and than a lens in the shade."""
_AS_BRIGHT = 0.72
"""A cell that is nearly as bright as the brightest is lit as well."""
_HUE = 22.0
"""Levels between color channels that make a hue."""
_WHITE = 150.0
"""A core whose least channel is above this is over-exposed: it would be white whatever its color."""
_FLAT = 0.96
"""Corners of a cell that are as bright as its middle: that is a surface, not a round lamp."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """Where one lamp is, in the rows and columns of the head's rectangle."""

    middle: NDArray[np.bool_]
    rim: NDArray[np.bool_]
    """Round the middle: where the core of a lamp is over-exposed, its hue is left there."""
    corners: NDArray[np.bool_]


class Head:
    """The lamps of one drawn head."""

    def __init__(self, settings: LampSettings):
        self._settings = settings
        self._zone = make_zone("head", settings.head)
        self._size = (0, 0)
        self._window = (slice(0), slice(0))
        self._cells: list[_Cell] = []

    def look(self, pixels: NDArray[np.uint8]) -> tuple[Aspect, str]:
        """What the head shows.

        Args:
            pixels: uint8 (H, W, 3) RGB.

        Returns:
            The aspect and, if that is unknown, why: too_small, dark (none is lit), unclear (something else is
            bright), contradictory (lamps that are never lit together).
        """
        height, width = pixels.shape[:2]
        if self._size != (width, height):
            self._lay_out(width, height)
        if any(np.count_nonzero(cell.middle) < _FEWEST for cell in self._cells):
            return "unknown", "too_small"
        head = pixels[self._window].astype(np.float32)
        colors = np.array([_color(head[cell.middle]) for cell in self._cells])
        bright = colors.max(axis=1)
        if bright.max() - bright.min() < _CONTRAST:
            return "unknown", "dark" if bright.max() < 128 else "unclear"
        candidates = [i for i in range(len(bright)) if bright[i] >= _AS_BRIGHT * bright.max()]
        lit = [i for i in candidates if _has_hue(self._settings.lamps[i], self._hue(head, i, colors[i]))]
        if int(bright.argmax()) not in lit or any(self._is_flat(head, i, bright[i]) for i in lit):
            return "unknown", "unclear"
        return _together({self._settings.lamps[i] for i in lit})

    def _hue(self, head: NDArray[np.float32], i: int, color: NDArray[np.float32]) -> NDArray[np.float32]:
        """The color by which a lamp is known: of its core or, where that is white, of what is round it."""
        if color.min() < _WHITE:
            return color
        rim = head[self._cells[i].rim]
        rim = rim[rim.min(axis=1) < _WHITE]
        return _color(rim) if len(rim) >= _FEWEST else color

    def _is_flat(self, head: NDArray[np.float32], i: int, bright: float) -> bool:
        corners = head[self._cells[i].corners]
        return len(corners) >= _FEWEST and float(_color(corners).max()) > _FLAT * bright

    def _lay_out(self, width: int, height: int) -> None:
        """Which pixels belong to which lamp, at this size of the picture."""
        self._size = (width, height)
        box = self._zone.polygon * (width, height)
        x1, y1 = (int(v) for v in np.floor(box.min(axis=0)))
        x2, y2 = (int(v) for v in np.ceil(box.max(axis=0)))
        self._window = (slice(y1, y2), slice(x1, x2))
        x, y = np.meshgrid(np.arange(x1, x2) + 0.5, np.arange(y1, y2) + 0.5)
        inside = self._zone.contains(np.stack([x.ravel() / width, y.ravel() / height], axis=1)).reshape(x.shape)
        low, high = box.min(axis=0), box.max(axis=0)
        # 0..1 along the head and across it
        u, v = (x - low[0]) / (high[0] - low[0]), (y - low[1]) / (high[1] - low[1])
        along, across = (v, u) if self._settings.along == "down" else (u, v)
        count = len(self._settings.lamps)
        self._cells = []
        for i in range(count):
            # from the middle of the cell, in cell sizes: 0.5 is its edge
            distance = np.hypot(along * count - i - 0.5, across - 0.5)
            mine = inside & (np.floor(along * count) == i)
            self._cells.append(_Cell(mine & (distance < 0.36), mine & (distance >= 0.36), mine & (distance > 0.52)))


def _color(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the brighter ones of the pixels: float32 (3,)."""
    count = max(_FEWEST, round(_BRIGHTEST * len(pixels)))
    # not .max() and .mean(): those are Python, and this is asked four times a frame
    brightest = np.maximum.reduce(pixels, axis=1).argsort()[-count:]
    total: NDArray[np.float32] = np.add.reduce(pixels[brightest], axis=0) / np.float32(count)
    return total


def _has_hue(lamp: str, color: NDArray[np.float32]) -> bool:
    """Whether a color is one that this lamp may have; a white core has enough of its hue left."""
    red, green, blue = (float(channel) for channel in color)
    if lamp == "red":
        return red - max(green, blue) >= _HUE
    if lamp == "green":  # of LEDs it is nearly cyan
        return green - red >= _HUE and blue <= 1.1 * green
    return red - blue >= _HUE and green - blue >= 0.5 * _HUE and green <= 1.05 * red


def _together(lit: set[str]) -> tuple[Aspect, str]:
    """What lamps mean together."""
    if lit == {"red"}:
        return "red", ""
    if lit == {"green"}:
        return "green", ""
    if lit <= {"red", "amber"}:  # red with amber announces green: nobody is accused on it
        return "amber", ""
    return "unknown", "contradictory"
