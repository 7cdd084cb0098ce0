"""What stands still in a scene: ground, walls, fences, marks on the road, drawn once for each size.

Called by `render`. Everything is RGB, uint8 (H, W, 3), and the same for the same scene, size and OpenCV.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.simulator.scene import Point, Scene

Picture = NDArray[np.uint8]
Color = tuple[int, int, int]


def backdrop(scene: Scene, size: tuple[int, int]) -> Picture:
    """The empty scene at (width, height); a scene without a backdrop of its own gets plain ground."""
    canvas = _Canvas(scene, size)
    _PAINTERS.get(scene.name, _plain)(canvas)
    return canvas.picture


class _Canvas:
    """Draws in fractions of the frame."""

    def __init__(self, scene: Scene, size: tuple[int, int]):
        self.scene = scene
        self.width, self.height = size
        self.picture: Picture = np.zeros((self.height, self.width, 3), np.uint8)
        self._rng = np.random.default_rng(scene.seed)

    def area(self, polygon: Sequence[Point], color: Color, grain: float = 6.0) -> None:
        """A polygon with the blotchy texture of real surfaces."""
        mask = np.zeros((self.height, self.width), np.uint8)
        points = np.array([(x * self.width, y * self.height) for x, y in polygon], np.float32).round().astype(np.int32)
        cv2.fillPoly(mask, [points], 255)
        fine = self._rng.normal(0, grain, (self.height // 3 + 1, self.width // 3 + 1)).astype(np.float32)
        coarse = self._rng.normal(0, grain, (12, 20)).astype(np.float32)
        blotches = cv2.resize(fine, (self.width, self.height)) + cv2.resize(coarse, (self.width, self.height))
        surface = np.clip(np.array(color, np.float32) + blotches[..., None], 0, 255).astype(np.uint8)
        self.picture[mask > 0] = surface[mask > 0]

    def bar(self, start: Point, end: Point, width: float, color: Color) -> None:
        """A straight stroke; its width is a fraction of the frame's height."""
        a, b = ((round(x * self.width * 16), round(y * self.height * 16)) for x, y in (start, end))
        cv2.line(self.picture, a, b, color, max(1, round(width * self.height)), cv2.LINE_AA, shift=4)

    def floor(self, color: Color, top: float | None = None) -> None:
        """Ground from the horizon, or from `top`, down to the bottom edge."""
        y = self.scene.lens.horizon if top is None else top
        self.area(((0, y), (1, y), (1, 1), (0, 1)), color)


def _plain(canvas: _Canvas) -> None:
    canvas.area(((0, 0), (1, 0), (1, 0.4), (0, 0.4)), (150, 155, 160), 3)
    canvas.floor((118, 116, 110))


def _yard(canvas: _Canvas) -> None:
    """A warehouse behind a fenced yard of concrete."""
    canvas.area(((0, 0), (1, 0), (1, 0.3), (0, 0.3)), (168, 178, 190), 2)
    canvas.area(((0.12, 0.06), (0.88, 0.06), (0.88, 0.32), (0.12, 0.32)), (132, 124, 112))
    canvas.area(((0.42, 0.14), (0.58, 0.14), (0.58, 0.32), (0.42, 0.32)), (80, 86, 95), 3)
    canvas.floor((96, 108, 84), 0.3)
    canvas.area(canvas.scene.zones[0].polygon, (138, 136, 130))
    corners = canvas.scene.zones[0].polygon
    for (ax, ay), (bx, by) in itertools.pairwise(corners[:3]):
        for k in range(13):
            x, y = ax + (bx - ax) * k / 12, ay + (by - ay) * k / 12
            canvas.bar((x, y), (x, y - canvas.scene.lens.scale(y) * 0.5), 0.004, (90, 90, 92))
        canvas.bar((ax, ay - 0.02), (bx, by - 0.02), 0.003, (110, 110, 112))


def _lobby(canvas: _Canvas) -> None:
    """A hall with a counter, a glass door and tiles."""
    canvas.area(((0, 0), (1, 0), (1, 0.34), (0, 0.34)), (190, 182, 168), 3)
    canvas.floor((156, 148, 138), 0.34)
    canvas.area(((0.06, 0.05), (0.2, 0.05), (0.2, 0.36), (0.06, 0.36)), (96, 120, 130), 3)
    canvas.area(((0.68, 0.2), (0.95, 0.2), (0.95, 0.37), (0.68, 0.37)), (110, 78, 52))
    lens = canvas.scene.lens
    for k in range(1, 12):
        y = lens.image(0, 3.5 + 0.9 * k)[1]
        canvas.bar((0, y), (1, y), 0.002, (138, 130, 120))
    for k in range(-9, 10):
        near, far = lens.image(k * 1.1, 4.2), lens.image(k * 1.1, 24)
        canvas.bar(near, (far[0], max(far[1], 0.345)), 0.002, (138, 130, 120))


def _street(canvas: _Canvas) -> None:
    """House fronts, a pavement, a road of two lanes, another pavement."""
    canvas.area(((0, 0), (1, 0), (1, 0.36), (0, 0.36)), (140, 118, 100))
    for k in range(7):
        x = 0.03 + k * 0.14
        canvas.area(((x, 0.04), (x + 0.08, 0.04), (x + 0.08, 0.2), (x, 0.2)), (70, 82, 95), 3)
    canvas.floor((148, 144, 138), 0.36)
    canvas.area(((0, 0.5), (1, 0.5), (1, 0.8), (0, 0.8)), (82, 82, 86))
    for k in range(9):
        canvas.bar((0.02 + k * 0.12, 0.635), (0.07 + k * 0.12, 0.635), 0.008, (200, 200, 195))
    for y in (0.5, 0.8):
        canvas.bar((0, y), (1, y), 0.006, (170, 168, 162))


def _empty(canvas: _Canvas) -> None:
    """A loading bay at night under one lamp."""
    canvas.area(((0, 0), (1, 0), (1, 0.35), (0, 0.35)), (24, 25, 32), 2)
    canvas.floor((38, 38, 40), 0.35)
    canvas.area(((0.3, 0.1), (0.7, 0.1), (0.7, 0.4), (0.3, 0.4)), (46, 46, 52), 2)
    across, down = np.meshgrid(np.linspace(-1, 1, canvas.width), np.linspace(-0.6, 1.4, canvas.height))
    lamp = 1 + 1.2 * np.exp(-2.2 * (across**2 + down**2))
    canvas.picture = np.clip(canvas.picture * lamp[..., None], 0, 255).astype(np.uint8)


_PAINTERS: dict[str, Callable[[_Canvas], None]] = {
    "yard": _yard,
    "lobby": _lobby,
    "street": _street,
    "empty": _empty,
}
