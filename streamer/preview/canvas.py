"""What can be drawn on a picture: lines, arrows, areas and outlined text, with OpenCV, which is imported only here.

Everything is given in fractions of the picture and scaled by its height, so that a drawing looks alike at 320x240 and
at 4K. Colors are those of Okabe and Ito, which people with any color vision tell apart; everything has a dark rim, so
that it shows on bright and dark ground alike.

Source of the colors: Okabe and Ito, Color Universal Design, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError

Color = tuple[int, int, int]
"""Red, green, blue."""
Point = tuple[float, float]
"""x, y as fractions of the picture."""

ORANGE, SKY, GREEN, YELLOW = (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)
BLUE, VERMILION, PURPLE, WHITE, BLACK = (0, 114, 178), (213, 94, 0), (204, 121, 167), (255, 255, 255), (0, 0, 0)
FORMATS = (".png", ".jpg", ".jpeg", ".webp")
_BOLD = 600
"""Weight of the font."""
_SMALLEST = 480
"""Pictures lower than this are enlarged: at 240 lines no name is readable."""


class Canvas:
    """A picture that is drawn on.

    Args:
        pixels: uint8 (H, W, 3) RGB; left as it is.
    """

    def __init__(self, pixels: NDArray[np.uint8]):
        import cv2

        self._cv2: Any = cv2
        times = max(1, -(-_SMALLEST // pixels.shape[0]))
        enlarged = pixels if times == 1 else cv2.resize(pixels, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
        self.pixels: NDArray[np.uint8] = np.ascontiguousarray(enlarged)
        if self.pixels is pixels:
            self.pixels = pixels.copy()
        self.height, self.width = self.pixels.shape[:2]
        self.unit = max(1, round(self.height / 360))
        """Pixels of a thin line."""

    def point(self, at: Point) -> tuple[int, int]:
        """A point in pixels."""
        return round(at[0] * (self.width - 1)), round(at[1] * (self.height - 1))

    def line(self, start: Point, end: Point, color: Color, thick: float = 2.0) -> None:
        """A straight line with a dark rim, unless it is thinner than 1."""
        for ink, width in self._rimmed(color, thick):
            self._cv2.line(self.pixels, self.point(start), self.point(end), ink, width, self._cv2.LINE_AA)

    def arrow(self, start: Point, end: Point, color: Color, thick: float = 2.0) -> None:
        """A line with a head, as large at any length."""
        (x1, y1), (x2, y2) = self.point(start), self.point(end)
        length = max(float(np.hypot(x2 - x1, y2 - y1)), 1.0)
        head = min(9.0 * self.unit / length, 0.5)
        for ink, width in self._rimmed(color, thick):
            self._cv2.arrowedLine(self.pixels, (x1, y1), (x2, y2), ink, width, self._cv2.LINE_AA, 0, head)

    def outline(self, corners: Sequence[Point], color: Color, thick: float = 2.0) -> None:
        """The border of a polygon."""
        for ink, width in self._rimmed(color, thick):
            self._cv2.polylines(self.pixels, [self._corners(corners)], True, ink, width, self._cv2.LINE_AA)

    def fill(self, corners: Sequence[Point], color: Color, strength: float) -> None:
        """Tint the inside of a polygon; `strength` 1 hides what was there."""
        layer = self.pixels.copy()
        self._cv2.fillPoly(layer, [self._corners(corners)], color)
        self.pixels = self._cv2.addWeighted(layer, strength, self.pixels, 1.0 - strength, 0.0)

    def hatch(self, corners: Sequence[Point], color: Color) -> None:
        """Slanted lines inside a polygon."""
        inside = np.zeros((self.height, self.width), np.uint8)
        self._cv2.fillPoly(inside, [self._corners(corners)], 255)
        lines = np.zeros_like(inside)
        for x in range(-self.height, self.width, 10 * self.unit):
            self._cv2.line(lines, (x, self.height), (x + self.height, 0), 255, self.unit)
        self.pixels[(inside > 0) & (lines > 0)] = color

    def box(self, corners: tuple[float, float, float, float], color: Color) -> None:
        """A rectangle x1, y1, x2, y2."""
        x1, y1, x2, y2 = corners
        self.outline([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], color, 1.0)

    def text(self, words: str, at: Point, color: Color = WHITE, size: float = 1.0, centered: bool = True) -> None:
        """Outlined text, its middle (or its left end) there; moved into the picture if it would run out of it."""
        cv2 = self._cv2
        font, height = cv2.FontFace("sans"), max(12, round(13 * size * self.height / 360))
        x, y, width, tall = cv2.getTextSize((self.width, self.height), words, (0, 0), font, height, _BOLD)
        rim = max(1, round(height / 12))
        left, top = self.point(at)
        left -= width // 2 if centered else 0
        left = min(max(left, rim), max(self.width - width - rim, rim))
        top = min(max(top - tall // 2, rim), max(self.height - tall - rim, rim))
        # OpenCV's fonts have no outline: the same text once more on every side of it
        ring = [(rim * dx, rim * dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
        bright: Color = tuple(round(0.5 * value + 127) for value in color)  # type: ignore[assignment]
        for ink, (dx, dy) in (*((BLACK, off) for off in ring), (bright, (0, 0))):
            cv2.putText(self.pixels, words, (left - x + dx, top - y + dy), ink, font, height, _BOLD)

    def save(self, path: Path) -> None:
        """Write the picture, whole or not at all. Raises InputError where that is not possible."""
        if path.suffix.lower() not in FORMATS:
            raise InputError(f"{path}: a picture ends in one of {', '.join(FORMATS)}")
        done, data = self._cv2.imencode(path.suffix.lower(), self.pixels[..., ::-1])
        if not done:
            raise InputError(f"{path}: OpenCV cannot write this kind of picture")
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(data.tobytes())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error

    def _corners(self, corners: Sequence[Point]) -> NDArray[np.int32]:
        return np.array([self.point((float(x), float(y))) for x, y in corners], np.int32)

    def _rimmed(self, color: Color, thick: float) -> list[tuple[Color, int]]:
        width = max(1, round(thick * self.unit))
        return [(BLACK, width + 2 * self.unit), (color, width)] if thick >= 1 else [(color, width)]
