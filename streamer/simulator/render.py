"""Pictures of a scene, at any size: the backdrop, who is there, their shadows, the light, and the sensor's noise.

The same scene, size and time give the same bytes. Noise is always there: a camera's picture never repeats exactly,
and a stream whose picture does is what `camera_frozen` is about. Called by `build`. OpenCV draws; colors are RGB.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.simulator import framecode
from streamer.simulator.backdrop import backdrop
from streamer.simulator.figure import extent, figure
from streamer.simulator.scene import Actor, Point, Pose, Scene, Spoil
from streamer.simulator.truth import present

_SHIFT = 4
"""Bits of sub-pixel position in OpenCV's drawing calls: without them slow motion would jerk."""
_MARGIN = 64
"""How much larger than the picture the noise is, so that it can be moved about: to 4096 places."""
_STRIDE = 1597
"""From one place of the noise to the next; odd, so that each is used before any is used again."""


class Renderer:
    """Draws one scene at one size."""

    def __init__(self, scene: Scene, size: tuple[int, int], fps: float):
        """`size` is (width, height), both even."""
        self.scene, self.fps = scene, fps
        self.frames = round(scene.seconds * fps)
        self._width, self._height = size
        self._backdrop = backdrop(scene, size)
        rng = np.random.default_rng(scene.seed + 1)
        plane = (self._height + _MARGIN, self._width + _MARGIN)
        self._lamp = _lamp(self._width, self._height)
        self._noise = np.rint(rng.normal(0, 1, plane) * scene.noise).clip(-127, 127).astype(np.int16)

    def rgb(self, number: int) -> NDArray[np.uint8]:
        """Frame `number` of the loop before light and noise: uint8 (H, W, 3), RGB."""
        picture = self._backdrop.copy()
        there = present(self.scene, number / self.fps)
        for actor, pose in there:
            self._shade(picture, actor, pose)
        for actor, pose in there:
            self._draw(picture, actor, pose)
        if self.scene.rain:
            self._rain(picture, number)
        spoil = self.scene.spoil(number / self.fps)
        return picture if spoil is None else spoiled(picture, spoil)

    def i420(self, number: int, burn_index: bool = False) -> NDArray[np.uint8]:
        """Frame `number` of the loop as the sensor gives it: uint8 (H * 3 / 2, W), planes Y, U, V."""
        picture = cv2.cvtColor(self.rgb(number), cv2.COLOR_RGB2YUV_I420)
        luma = picture[: self._height]
        if self.scene.infrared(number / self.fps):
            picture[self._height :] = 128
            cv2.multiply(luma, self._lamp, dst=luma, dtype=cv2.CV_8U)
        gain = self.scene.gain(number / self.fps)
        if gain != 1.0:
            cv2.convertScaleAbs(luma, dst=luma, alpha=gain)
        if self.scene.noise > 0:
            down, right = divmod((number * _STRIDE + self.scene.seed) % _MARGIN**2, _MARGIN)
            noise = self._noise[down : down + self._height, right : right + self._width]
            cv2.add(luma, noise, dst=luma, dtype=cv2.CV_8U)
        if burn_index:
            self._burn(picture, number)
        return np.asarray(picture)

    def pictures(self, burn_index: bool = False) -> Iterator[NDArray[np.uint8]]:
        """Every frame of the loop in order, as `i420` gives it."""
        for number in range(self.frames):
            yield self.i420(number, burn_index)

    def _burn(self, picture: NDArray[np.uint8], number: int) -> None:
        framecode.burn(picture[: self._height], number)
        blocks = round(self._width * framecode.BLOCK) // 2 + 1, round(self._width * framecode.BLOCK * framecode.BLOCKS)
        chroma = picture[self._height :].reshape(2, self._height // 2, self._width // 2)
        chroma[:, : blocks[0], : blocks[1] // 2 + 1] = 128

    def _draw(self, picture: NDArray[np.uint8], actor: Actor, pose: Pose) -> None:
        scale = self.scene.lens.scale(pose.at[1])
        for shape in figure(actor, pose):
            points = [self._pixel(pose.at, point, scale) for point in shape.points]
            if shape.thickness:
                width = max(1, round(shape.thickness * scale * self._height))
                for a, b in itertools.pairwise(points):
                    if a == b:
                        cv2.circle(picture, a, width << _SHIFT - 1, shape.color, -1, cv2.LINE_AA, _SHIFT)
                    else:
                        cv2.line(picture, a, b, shape.color, width, cv2.LINE_AA, _SHIFT)
            else:
                cv2.fillConvexPoly(picture, np.array(points, np.int32), shape.color, cv2.LINE_AA, _SHIFT)

    def _rain(self, picture: NDArray[np.uint8], number: int) -> None:
        """Bright streaks, elsewhere in each picture."""
        rng = np.random.default_rng((self.scene.seed, number))
        for x, y, long in rng.uniform(0, 1, (self.scene.rain, 3)):
            start = round(x * self._width), round(y * self._height)
            end = start[0] + round(0.01 * self._width), start[1] + round((0.03 + 0.05 * long) * self._height)
            cv2.line(picture, start, end, (200, 205, 210), max(1, self._height // 300), cv2.LINE_AA)

    def _pixel(self, at: Point, point: Point, scale: float) -> tuple[int, int]:
        """A point of a figure, in meters, as fixed-point pixels."""
        x = (at[0] + point[0] * scale / self.scene.lens.aspect) * self._width
        y = (at[1] - point[1] * scale) * self._height
        return round(x * (1 << _SHIFT)), round(y * (1 << _SHIFT))

    def _shade(self, picture: NDArray[np.uint8], actor: Actor, pose: Pose) -> None:
        """A soft dark patch on the ground, under the feet and a little to the right."""
        if self.scene.shadow <= 0:
            return
        left, _, right, _ = extent(figure(actor, pose))
        scale = self.scene.lens.scale(pose.at[1])
        half = (right - left) / 2 * scale / self.scene.lens.aspect * self._width
        x = (pose.at[0] + (left + right) / 2 * scale / self.scene.lens.aspect) * self._width + half * 0.3
        y, flat = pose.at[1] * self._height, max(1.0, 0.12 * scale * self._height)
        x1, x2 = max(0, int(x - half - 2)), min(self._width, int(x + half + 3))
        y1, y2 = max(0, int(y - flat - 2)), min(self._height, int(y + flat + 3))
        if x1 >= x2 or y1 >= y2:
            return
        mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
        axes = (max(1, round(half)), max(1, round(flat)))
        cv2.ellipse(mask, (round(x) - x1, round(y) - y1), axes, 0, 0, 360, 255, -1)
        patch = picture[y1:y2, x1:x2]
        patch[mask > 0] = (patch[mask > 0] * (1 - self.scene.shadow)).astype(np.uint8)


def spoiled(picture: NDArray[np.uint8], spoil: Spoil) -> NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3), through a lens that somebody has tampered with."""
    height, width = picture.shape[:2]
    if spoil.kind == "covered":
        shade = np.linspace(0.9, 1.1, width, dtype=np.float32)[None, :, None]
        return (np.array((96, 84, 76), np.float32) * shade * np.ones((height, 1, 1), np.float32)).astype(np.uint8)
    if spoil.kind == "defocused":
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), spoil.amount * height))
    # what comes into view at the side is not the old view: its mirror image
    return np.asarray(cv2.copyMakeBorder(picture, 0, 0, round(spoil.amount * width), 0, cv2.BORDER_REFLECT))[:, :width]


def _lamp(width: int, height: int) -> NDArray[np.float32]:
    """How the camera's own lamp lights the picture, float32 (H, W)."""
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    return (0.25 + 0.75 * np.exp(-1.5 * (across**2 + down**2))).astype(np.float32)
